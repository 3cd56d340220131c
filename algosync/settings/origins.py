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


class NextSettings(Section):
    """How one page of an API leads to the next.

    Attributes:
        by: `link`: the header `Link: <…>; rel="next"`; `url` and `token`: what the answer holds; `offset` and `page`:
            counted.
        field: Where in a JSON answer the URL or token stands, `a.b` for b of the object a.
        header: The header it stands in, in the place of `field`.
        parameter: The query parameter of a token, an offset or a page number.
        first: The first offset or page number: 0 and 1 unless set.
        more: Where in a JSON answer it stands, as true or false, whether there is more.
    """

    by: Literal["link", "url", "token", "offset", "page"] = "link"
    field: str | None = None
    header: str | None = None
    parameter: str | None = None
    first: int | None = Field(default=None, ge=0)
    more: str | None = None

    @model_validator(mode="after")
    def _told_or_counted(self) -> NextSettings:
        told = (self.field is None) != (self.header is None)
        if self.by in ("url", "token") and not told:
            raise ValueError(f'by = "{self.by}" needs either field or header, where the {self.by} stands')
        if self.by == "token" and self.parameter is None:
            raise ValueError('by = "token" needs parameter, the query parameter for it')
        if self.by not in ("url", "token") and (self.field is not None or self.header is not None):
            raise ValueError(f'by = "{self.by}" takes neither field nor header')
        if self.by in ("link", "url") and self.parameter is not None:
            raise ValueError(f'by = "{self.by}" takes no parameter')
        if self.by not in ("offset", "page") and self.first is not None:
            raise ValueError(f'by = "{self.by}" takes no first')
        return self


class SizeSettings(Section):
    """How many rows of a page to ask an API for, and by which query parameter."""

    parameter: str = "limit"
    rows: int = Field(ge=1)


class SinceSettings(Section):
    """What asks an API only for rows from a value on: the highest of `field` so far, as a query parameter."""

    field: str
    parameter: str = "since"
    start: str | int | None = None


class HttpSourceSettings(SourceSettings):
    """Events that an HTTP API gives in pages of JSON or of JSON lines.

    Attributes:
        url: Of the first page. User and password may stand in it.
        key: The key; better in the environment, as ALGOSYNC_SOURCE_KEYS__NAME.
        key_header: The header for the key as it is; without it `Authorization: Bearer` carries it.
        headers: Further headers.
        format: Without it the answer's Content-Type tells.
        encoding: Without it UTF-8, else what the answer's Content-Type says.
        rows: Where in a JSON answer the array of rows stands, `a.b` for b of the object a.
        resume: Without `since`: where the next run begins once all was read. The first page is right where the newest
            events come first; known ones pass by.
        timeout_s: How long the server may be silent.
        patience_s: How long a run may wait, all in all, because the server said so (Retry-After).
        page_mb: The largest answer, unpacked.
        pages_per_run: What is left is read by the next run. At least 25, so that within one run it shows whether an API
            gives one page for ever.
    """

    type: Literal["http"]
    url: SecretStr
    key: SecretStr | None = None
    key_header: str | None = Field(default=None, pattern="^[A-Za-z0-9-]+$")
    headers: dict[str, SecretStr] = {}
    format: Literal["json", "ndjson"] | None = None
    encoding: str | None = None
    rows: str | None = None
    next: NextSettings = NextSettings()
    size: SizeSettings | None = None
    since: SinceSettings | None = None
    resume: Literal["last", "start"] = "last"
    timeout_s: float = Field(default=30, gt=0, le=3600)
    patience_s: float = Field(default=300, ge=0)
    page_mb: int = Field(default=64, ge=1, le=1024)
    pages_per_run: int = Field(default=1000, ge=25)
    batch_rows: int = Field(default=50_000, ge=1)

    @model_validator(mode="after")
    def _that_agrees(self) -> HttpSourceSettings:
        if self.id == "row":
            # A page is asked for again after a failure, and may then be cut otherwise.
            raise ValueError('id = "row" is not for APIs: leave it out, or map event_id to a field')
        if self.since is None and int(self.lookback.split()[0]):
            raise ValueError("lookback goes back from since: set since, or leave lookback out")
        if self.since is not None and self.resume == "start":
            raise ValueError('since and resume = "start" exclude each other: leave one out')
        if self.format == "ndjson" and (self.rows or self.next.field or self.next.more):
            raise ValueError(
                'format = "ndjson" has no fields beside its rows: leave out rows, next.field and next.more'
            )
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


AnySource = Annotated[
    FilesSourceSettings | SqlSourceSettings | HttpSourceSettings | CollectorSourceSettings, Field(discriminator="type")
]
AnyUsers = Annotated[FilesUsersSettings | SqlUsersSettings, Field(discriminator="type")]
AnyCatalog = Annotated[
    IndexCatalogSettings | FilesCatalogSettings | SqlCatalogSettings | EventsCatalogSettings,
    Field(discriminator="type"),
]
