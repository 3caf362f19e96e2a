from tests.batch_image.image import image

__all__ = ["image"]
