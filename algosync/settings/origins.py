"""Where data comes from: the settings of event sources, visitor attributes and the catalog, as tagged unions."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator


class Section(BaseModel):
    """A table of the settings file: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class ColumnFrom(Section):
    """A column whose ids are transformed on the way in."""

    column: str = Field(alias="from")
    transform: Literal["safe", "hmac"] | None = None


class SourceSettings(Section):
    """What every source of events has."""

    name: str = Field(pattern="^[A-Za-z0-9_-]+$")
    preset: str | None = None
    timezone: str | None = None
    lookback: str = Field(default="0 days", pattern=r"^\d+ (day|days|hour|hours|minute|minutes)$")
    id: Literal["content", "row"] = "content"
    columns: dict[str, str | ColumnFrom] = {}
    constants: dict[str, str | int | float | bool] = {}
    values: dict[str, dict[str, str]] = {}
    context: dict[str, str] = {}
    product: dict[str, str] = {}
    batch_rows: int = Field(default=250_000, ge=1)


class FilesSourceSettings(SourceSettings):
    """Events in CSV, JSONL or Parquet files, local or at any fsspec URL."""

    type: Literal["files"]
    path: str | tuple[str, ...]
    format: Literal["csv", "jsonl", "parquet"] | None = None
    encoding: str = "utf-8"
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    storage_options: dict[str, Any] = {}


class SqlSourceSettings(SourceSettings):
    """Events in a table or query of any database that SQLAlchemy reaches."""

    type: Literal["sql"]
    url: SecretStr
    table: str | None = None
    query: str | None = None
    cursor_column: str

    @model_validator(mode="after")
    def _table_or_query(self) -> SqlSourceSettings:
        if (self.table is None) == (self.query is None):
            raise ValueError("give either table or query")
        return self

    @model_validator(mode="after")
    def _rows_that_keep_their_place(self) -> SqlSourceSettings:
        # A lookback counts rows anew from where it starts, so that a row's position, and with it its id, would change.
        if self.id == "row" and int(self.lookback.split()[0]):
            raise ValueError('id = "row" and lookback exclude each other: leave one out, or map event_id to a column')
        return self


class SegmentSettings(Section):
    """Segment's webhook: its shared secret, and what its events leave open.

    Attributes:
        secret: By which Segment signs what it sends.
        index: The index that its events are counted for; the first of [[algolia.indices]] by default.
        list_facet: The attribute whose value a viewed product list names by its `category`; such events are left out
            without it.
    """

    secret: SecretStr = Field(min_length=16)
    index: str | None = None
    list_facet: str | None = None


class CollectorSourceSettings(SourceSettings):
    """Events that storefronts send to `algosync serve`."""

    type: Literal["collector"]
    preset: Literal["insights"] | None = None
    batch_rows: int = Field(default=50_000, ge=1)
    segment: SegmentSettings | None = None


class UsersSettings(Section):
    """What a source of visitor attributes has."""

    user_token: str | ColumnFrom = "user_token"  # noqa: S105  # a column, no secret
    attributes: tuple[str, ...] | None = None


class FilesUsersSettings(UsersSettings):
    """Visitor attributes in files; every column but the token's is an attribute unless `attributes` names them."""

    type: Literal["files"]
    path: str | tuple[str, ...]


class SqlUsersSettings(UsersSettings):
    """Visitor attributes in a database."""

    type: Literal["sql"]
    url: SecretStr
    table: str | None = None
    query: str | None = None


class CatalogSettings(Section):
    """What every source of products has."""

    id: str = "objectID"
    group: str | None = None
    available: str | None = None
    text: tuple[str, ...] = ()
    price: str = "price"
    list_price: str | None = None
    vector: str | None = None


class IndexCatalogSettings(CatalogSettings):
    """Products come from the Algolia index itself."""

    type: Literal["index"] = "index"


class FilesCatalogSettings(CatalogSettings):
    """Products come from files."""

    type: Literal["files"]
    path: str | tuple[str, ...]


class SqlCatalogSettings(CatalogSettings):
    """Products come from a database."""

    type: Literal["sql"]
    url: SecretStr
    table: str | None = None
    query: str | None = None


class EventsCatalogSettings(CatalogSettings):
    """Products are known from the events' own product columns alone."""

    type: Literal["events"]


AnySource = Annotated[FilesSourceSettings | SqlSourceSettings | CollectorSourceSettings, Field(discriminator="type")]
AnyUsers = Annotated[FilesUsersSettings | SqlUsersSettings, Field(discriminator="type")]
AnyCatalog = Annotated[
    IndexCatalogSettings | FilesCatalogSettings | SqlCatalogSettings | EventsCatalogSettings,
    Field(discriminator="type"),
]
