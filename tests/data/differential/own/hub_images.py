"""Reusable components for images, with defaults, None and lists, on a backend with accelerators."""

import pyarrow as pa
from fondant.dataset import Dataset
from fondant.dataset.dataset import Resources

dataset = Dataset.create(
    "load_from_hf_hub",
    arguments={"dataset_name": "a/b", "image_column_names": ["image"], "n_rows_to_load": None},
    produces={"image_url": pa.string(), "prompt": pa.string()},
    dataset_name="hub-images",
)
dataset = dataset.apply(
    "download_images",
    arguments={"resize_only_if_bigger": False, "max_aspect_ratio": 3, "timeout": 5},
    resources=Resources(cpu_request="500m", cpu_limit="2", memory_request="1G", memory_limit="2Gi"),
)
dataset = dataset.apply(
    "embed_images",
    resources=Resources(accelerator_name="GPU", accelerator_number=1),
    cache=None,
)
dataset = dataset.apply("crop_images", consumes={"images_data": "image"})
dataset = dataset.write(
    "write_to_hf_hub",
    consumes={"image": pa.binary(), "embedding": pa.list_(pa.float32())},
    arguments={"hf_token": "t", "username": "u", "dataset_name": "-d"},
)
