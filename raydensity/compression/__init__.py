"""Compression of trained dense networks: units or weights go, then the network trains a little more (ODF2NNA).

    from raydensity.compression import compress, observe
    from raydensity.spec import Compression

    seen = observe(network, images, labels)
    rule = Compression(method="output_deviation", criterion="absolute", level=0.1)
    smaller = compress(seen, rule, seed=0).network      # the network without the units that hardly vary

A method is a function of what was observed: `methods.py` lists them, and each file beside it is one idea.
"""

from raydensity.compression.observation import Observation, observe
from raydensity.compression.removal import Compressed, Emptied, compress

__all__ = ["Compressed", "Emptied", "Observation", "compress", "observe"]
