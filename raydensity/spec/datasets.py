"""Data sets that have options; others are named by a word (`data.DATASETS`)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from raydensity.spec.frozen import Frozen, Seed

# Of Frivolous Units, by inputs: the seed of the first teacher whose labels are even to 2 % in each part of the data,
# where that is not 0. With 10,000 inputs the labels are hardly learned, and of an uneven teacher the best network gives
# one answer (docs/fidelity.md).
EVEN_TEACHER = {10_000: 7}
HELD_OUT = 0.15  # of a table's rows, to validate on; as many to test on where no file has test rows


class Spiral(Frozen):
    """The Cubist Spiral (specification d.1): two polylines in the plane; by default the published 49,982 points.

    The published set is both training and validation set. With `noise` (standard deviation, in units of the
    standardised coordinates) or another number of `samples` a fifth is held out, and there is a test set as large.
    """

    name: Literal["spiral"] = "spiral"
    noise: float = Field(default=0.0, ge=0)
    samples: int = Field(default=50_000, ge=100)

    @property
    def published(self) -> bool:
        return self == Spiral()


class Teacher(Frozen):
    """Gaussian inputs, labelled by a random network (Frivolous Units, specification b.3).

    The teacher has one hidden layer of 32 ReLU units and two outputs; it is drawn by `seed` until each label covers 40
    to 60 % of the inputs. Besides the `samples` to train on there are 1,000 to validate and 1,000 to test on.
    """

    name: Literal["teacher"] = "teacher"
    inputs: int = Field(default=10, ge=1)
    samples: int = Field(default=1000, ge=1)
    seed: Seed = 0


class ImageFolder(Frozen):
    """Photographs in folders `train/CLASS` and `val/CLASS` (or `test/CLASS`) of `folder` under the data root.

    They are resized so that the shorter side is `size * 8 / 7`, and cut to `size` in the middle. The counts are those
    of ImageNet, or of what `data.image_folder.examine` finds; they are compared with what is there. The last
    `validation` of the training images, in an order that is drawn once, are held out.
    """

    name: Literal["image_folder"] = "image_folder"
    folder: str = "imagenet"
    size: int = Field(default=224, ge=1)
    classes: int = Field(default=1000, ge=2)
    train: int = Field(default=1_281_167, ge=2)
    test: int = Field(default=50_000, ge=1)
    validation: int = Field(default=10_000, ge=1)


class Table(Frozen):
    """A table with one column to be answered from the others (ODF2NNA; specification c.2).

    `source` is a CSV or Parquet file under the data root, or `scikit-learn/NAME`; `title` is what it is called. Columns
    of text are `categorical`, and those that are named so; `dropped` ones are left out. A `test_source` has the test
    rows; without it a part is held out. Counts and digest (of the files' bytes) are those that `data.table.examine`
    finds, and are compared with what is there; `inputs` are what the columns become, `classes` is 0 for a regression.
    """

    name: Literal["table"] = "table"
    title: str
    source: str
    test_source: str = ""
    target: str
    task: Literal["classification", "regression"]
    dropped: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    rows: int = Field(ge=1)
    test_rows: int = Field(default=0, ge=0)
    inputs: int = Field(ge=1)
    classes: int = Field(ge=0)
    digest: str

    @property
    def validated(self) -> int:
        """Rows to validate on."""
        return max(1, round(HELD_OUT * self.rows))

    @property
    def draws_test_rows(self) -> bool:
        """Whether the data seed draws the rows to test on; else they have a file of their own."""
        return not self.test_rows

    @property
    def tested(self) -> int:
        """Rows to test on."""
        return self.validated if self.draws_test_rows else self.test_rows

    @property
    def fitted(self) -> int:
        """Rows to train on."""
        return self.rows - self.validated - (self.tested if self.draws_test_rows else 0)


DatasetWithOptions = Annotated[Spiral | Teacher | ImageFolder | Table, Field(discriminator="name")]
AnyDataset = str | DatasetWithOptions
