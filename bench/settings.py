"""The settings of the installation under measurement: those of the product, with the reference endpoint beside its own."""

from __future__ import annotations

import config.settings as product

globals().update({name: getattr(product, name) for name in dir(product) if name.isupper()})

ROOT_URLCONF = "bench.urls"
