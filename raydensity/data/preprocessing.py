"""What networks see of an image: scaled, or standardised image by image as TensorFlow does.

Shapes: C channels, H rows, W columns. Every number is computed by itself or summed within one image, so that it does
not depend on which images are preprocessed together.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, get_args

import torch.nn.functional as F
from torch import Tensor

from raydensity.data.dataset import Dataset, Description
from raydensity.spec import Preprocessing

if TYPE_CHECKING:
    from raydensity.encoding import ArrayEncoding, ImageEncoding, TableEncoding

CROP = 28  # pixels of each side that `crop_28` leaves
WHITE = 255  # the largest pixel value where images are standardised one by one, whatever that of the data set


def check_preprocessing(description: Description, preprocessing: str, *, augmentation: bool = False) -> None:
    """ValueError, in one line, where this preprocessing is unknown or cannot be that of the data set."""
    if preprocessing not in get_args(Preprocessing):
        known = ", ".join(get_args(Preprocessing))
        raise ValueError(f"preprocessing: {preprocessing!r} is unknown; known are {known}")
    if augmentation and not description.pixels:
        raise ValueError(f"augmentation: {description.name} has no images that could be varied")
    if preprocessing == "crop_28" and description.pixels and min(description.input_shape[-2:]) < CROP:
        rows, columns = description.input_shape[-2:]
        raise ValueError(
            f"preprocessing: crop_28 needs images of at least {CROP}x{CROP} pixels, "
            f"those of {description.name} have {rows}x{columns}"
        )


def normalize(dataset: Dataset, images: Tensor, preprocessing: str) -> Tensor:
    """Images as the network sees them: float32, of the shape of `images` (uint8 [..., C, H, W], or float32: as it is).

    `unit` scales pixels to [0, 1]; `standardized` then also to mean 0 and deviation 1 per channel, as measured on the
    whole training file, so that every data seed sees the same input. `per_image` standardises each image by itself;
    `crop_28` its middle, which is then resized to the whole (Frivolous Units, specification b.3). Raises ValueError for
    another preprocessing, and for images too small for it.
    """
    check_preprocessing(dataset.description, preprocessing)
    if images.is_floating_point():
        return images
    if preprocessing in ("per_image", "crop_28"):
        return _standardized(levels(dataset, images), preprocessing)
    scaled = images.float().div_(dataset.description.scale)
    if preprocessing == "unit":
        return scaled
    mean, deviation = dataset.channel_statistics
    return scaled.sub_(mean).div_(deviation)


def encoding_of(dataset: Dataset, preprocessing: str) -> TableEncoding | ImageEncoding | ArrayEncoding:
    """What the inputs and answers of a network mean that was trained on this data set: `normalize`, for those who have
    neither torch nor the training rows. Raises ValueError as `normalize`."""
    from raydensity.encoding import ArrayEncoding, Classes, ImageEncoding  # here, since pandas takes a while to import

    known = dataset.description
    check_preprocessing(known, preprocessing)
    if dataset.encoding is not None:
        return dataset.encoding
    answer = Classes(names=dataset.class_names or tuple(str(number) for number in range(known.classes)))
    if not known.pixels:
        return ArrayEncoding(shape=known.input_shape, answer=answer)
    channels, rows, columns = known.input_shape
    of_images = partial(ImageEncoding, shape=(channels, rows, columns), white=known.scale, answer=answer)
    if preprocessing == "unit":
        return of_images(divisor=known.scale)
    if preprocessing == "standardized":
        mean, deviation = (tuple(each.flatten().tolist()) for each in dataset.channel_statistics)
        return of_images(divisor=known.scale, mean=mean, deviation=deviation)
    middle = CROP if preprocessing == "crop_28" else None
    return of_images(divisor=known.scale / WHITE, each_image=True, middle=middle)


def as_seen(dataset: Dataset, images: Tensor, preprocessing: str) -> Tensor:
    """Images [..., C, H, W] whose values go from 0 to 1 as a network sees them, as `normalize` does with pixels.

    Differentiable. Raises as `normalize`.
    """
    check_preprocessing(dataset.description, preprocessing)
    if preprocessing in ("per_image", "crop_28"):
        return _standardized(images * WHITE, preprocessing)
    if preprocessing == "unit":
        return images
    mean, deviation = dataset.channel_statistics
    return (images - mean) / deviation


def _standardized(images: Tensor, preprocessing: str) -> Tensor:
    """`per_image` or `crop_28` of images from 0 to WHITE."""
    if preprocessing == "per_image":
        return standardized_each(images)
    height, width = images.shape[-2:]
    top, left = (height - CROP) // 2, (width - CROP) // 2
    middle = images[..., top : top + CROP, left : left + CROP]
    return resized(standardized_each(middle), (height, width))


def levels(dataset: Dataset, images: Tensor) -> Tensor:
    """Pixels (uint8) as float32 from 0 to WHITE."""
    return images.float().mul_(WHITE / dataset.description.scale)


def standardized_each(images: Tensor) -> Tensor:
    """Each image [..., C, H, W] less its mean, over its deviation: TensorFlow's `per_image_standardization`.

    The deviation counts as at least 1 / sqrt(C * H * W), that of a nearly uniform image.
    """
    values = images.flatten(-3)
    centred = values - values.mean(-1, keepdim=True)
    deviation = centred.square().mean(-1, keepdim=True).sqrt()
    return (centred / deviation.clamp(min=values.shape[-1] ** -0.5)).view(images.shape)


def resized(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Images [..., C, H, W] at another size, bilinear, as TensorFlow 1 does: pixel i of n stands at i * H / n.

    Beyond the last pixel its value goes on. Other libraries, and TensorFlow 2, place pixels by their middles.
    """
    flat = images.reshape(-1, *images.shape[-3:])
    # Between aligned corners, one pixel more than asked of one more than given: these are TensorFlow's places.
    more = F.pad(flat, (0, 1, 0, 1), mode="replicate")
    whole = F.interpolate(more, (size[0] + 1, size[1] + 1), mode="bilinear", align_corners=True)
    return whole[..., :-1, :-1].reshape(*images.shape[:-2], *size)
