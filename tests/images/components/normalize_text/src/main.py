"""Brings text into one form and counts its words."""
import pandas as pd
from fondant.component import PandasTransformComponent


class NormalizeText(PandasTransformComponent):
    def __init__(self, *, lowercase: bool = True):
        self.lowercase = lowercase

    def transform(self, dataframe: pd.DataFrame) -> pd.DataFrame:
        words = dataframe["text"].astype("object").fillna("").map(str.split)
        text = words.map(" ".join)
        if self.lowercase:
            text = text.str.lower()
        return pd.DataFrame({"text": text, "n_words": words.map(len).astype("int32")})
