"""Keeps the rows whose text is long enough."""
import pandas as pd
from fondant.component import PandasTransformComponent


class FilterTextLength(PandasTransformComponent):
    def __init__(self, *, min_characters_length: int, min_words_length: int):
        self.min_characters = min_characters_length
        self.min_words = min_words_length

    def transform(self, dataframe: pd.DataFrame) -> pd.DataFrame:
        # An absent text has neither characters nor words. Words are what blanks separate.
        text = dataframe["text"].astype("object").fillna("")
        words = text.map(lambda value: len(value.split()))
        return dataframe[(text.map(len) >= self.min_characters) & (words >= self.min_words)]
