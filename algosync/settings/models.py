"""What a shop configures: the TOML file, then the environment (ALGOSYNC_…, nested with __), read once.

The models mirror the file, section by section. They hold no behaviour but validation; rules.py turns them into the
small rule objects that each room defines for itself. load.py reads the file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from algosync.settings.origins import (
    AnyCatalog,
    AnySource,
    AnyUsers,
    HttpSourceSettings,
    IndexCatalogSettings,
    Section,
)
from algosync.settings.pushing import PushSettings
from algosync.settings.service import ScheduleSettings, WorkerSettings
from algosync.settings.serving import ServeSettings
from algosync.settings.webhooks import Secrets, WebhookSettings, check

DERIVED_FACETS = ("price_band", "price_tier", "on_sale", "discount_band")
Weight = Annotated[int, Field(ge=1, le=100)]
EventWeight = Annotated[float, Field(ge=0, le=100)]


class PriceSettings(Section):
    """What Algolia costs this shop, for the plan's estimate, in the shop's currency."""

    per_1000_records: float = Field(default=0.40, ge=0)
    per_1000_requests: float = Field(default=0.50, ge=0)
    per_1000_operations: float = Field(default=0.0, ge=0)


class IndexSettings(Section):
    """One product index."""

    name: str = Field(min_length=1)
    locale: str | None = None
    currency: str | None = Field(default=None, pattern="^[A-Z]{3}$")


class AlgoliaSettings(Section):
    """The application, its keys and its indices."""

    app_id: str = Field(min_length=1)
    region: Literal["us", "eu"] | None = None
    payload_index: str = "algosync_payloads"
    hosts: tuple[str, ...] = ()
    indices: tuple[IndexSettings, ...] = Field(min_length=1)
    price: PriceSettings = PriceSettings()
    max_record_bytes: int = Field(default=100_000, ge=1_000)
    read_api_key: SecretStr | None = None
    write_api_key: SecretStr | None = None
    forget_api_key: SecretStr | None = None
    storefront_api_key: SecretStr | None = None

    @field_validator("hosts")
    @classmethod
    def _urls(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        for host in hosts:
            if not host.startswith(("http://", "https://")):
                raise ValueError("each must be a URL such as http://127.0.0.1:8108")
        return hosts

    @model_validator(mode="after")
    def _distinct_indices(self) -> AlgoliaSettings:
        names = [index.name for index in self.indices]
        if len(set(names)) < len(names) or self.payload_index in names:
            raise ValueError("index names must differ from each other and from payload_index")
        return self


class RolloutSettings(Section):
    """The share of visitors whose searches are personalized; the rest is the holdout."""

    users: str = Field(default="100%", pattern=r"^(100|\d{1,2})(\.\d+)?%$")


class StateSettings(Section):
    """Where algosync keeps what it knows, and which clock it goes by."""

    directory: Path = Path("state")
    url: str = "sqlite"
    engine: Literal["duckdb"] = "duckdb"
    as_of: Literal["clock", "last_event"] = "clock"
    memory_limit: str = Field(default="1GB", pattern=r"^\d+(\.\d+)? ?(MB|GB)$")


class FacetSettings(Section):
    """One facet: how much it counts, and for a derived one how it is made."""

    weight: Weight
    attribute: str | None = None
    never: tuple[str, ...] = ()
    source: str | None = Field(default=None, alias="from")
    edges: tuple[float, ...] | None = None
    within: str | None = None
    tiers: tuple[str, ...] = ("low", "mid", "high")

    @field_validator("edges")
    @classmethod
    def _ascending(cls, edges: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if edges is not None and (not edges or list(edges) != sorted(set(edges)) or edges[0] <= 0):
            raise ValueError("must be positive numbers in ascending order, such as [10, 25, 50]")
        return edges


class IgnoreSettings(Section):
    """Whose events count for nothing: staff by token, robots by their pace."""

    user_tokens: tuple[str, ...] = ()
    events_per_hour_max: int | None = Field(default=1000, ge=1)


class EventsSettings(Section):
    """What an event weighs, and which are turned away or set aside."""

    view: EventWeight = 1
    click: EventWeight = 3
    add_to_cart: EventWeight = 10
    purchase: EventWeight = 30
    conversion: EventWeight = 30
    consent_missing: Literal["deny", "allow"] = "deny"
    ignore: IgnoreSettings = IgnoreSettings()
    rejected_share_max: float = Field(default=0.2, ge=0, le=1)
    max_age_days: int = Field(default=730, ge=1)


class ReadinessSettings(Section):
    """How much evidence makes a profile fit to be used (one-to-one)."""

    min_seconds: int = Field(default=60, ge=0)
    min_sessions: int = Field(default=2, ge=1)
    min_events: int = Field(default=3, ge=1)
    min_products: int = Field(default=3, ge=1)
    min_values: int = Field(default=2, ge=1)


class ConsentSettings(Section):
    """What holds for visitors who have chosen nothing; whose events may make profiles is `events.consent_missing`."""

    default: Literal["for_you", "not_personalized"] = "for_you"


class ContentSettings(Section):
    """Lists for pages without a profile: how long they are, and those that people put together by hand."""

    size: int = Field(default=12, ge=1, le=50)
    curated: dict[str, tuple[str, ...]] = Field(default_factory=dict)


class SessionSettings(Section):
    """How much the running session weighs in an answer, beside the profile that its events are part of already."""

    weight: float = Field(default=0.8, ge=0, le=1)
    half_life_minutes: float = Field(default=30, ge=1)


class ProfilesSettings(Section):
    """How affinities age and when a profile is ready."""

    half_life_days: float = Field(default=30, ge=1)
    active_days: int = Field(default=90, ge=1)
    ready: ReadinessSettings = ReadinessSettings()
    session: SessionSettings = SessionSettings()


class SearchApplySettings(Section):
    """Boosts on text search: up to so many words."""

    words_max: int = Field(default=2, ge=0)


class ApplySettings(Section):
    """Where boosts apply."""

    category: bool = True
    search: SearchApplySettings | bool = SearchApplySettings()


class FiltersSettings(Section):
    """How many optionalFilters a profile may become."""

    values_per_facet: int = Field(default=3, ge=1, le=20)
    levels: int = Field(default=3, ge=1, le=20)
    max: int = Field(default=9, ge=1, le=50)
    diversity: float = Field(default=1.0, ge=0.5, le=1)
    apply: ApplySettings = ApplySettings()


class SegmentsSettings(Section):
    """Where segments are defined."""

    file: Path | None = None
    affinity_facet: str | None = None
    max_contexts: int = Field(default=4, ge=0, le=10)


class ActionsSettings(Section):
    """Where actions are defined."""

    file: Path | None = None


RelatedKind = Literal["similar", "bought_together", "viewed_together", "related"]


class RelatedSettings(Section):
    """Which related items are found, and how."""

    kinds: tuple[RelatedKind, ...] = ("similar", "bought_together", "viewed_together", "related")
    per_product: int = Field(default=12, ge=1, le=100)
    popularity: bool = True
    trending: bool = True
    half_life_days: float = Field(default=90, ge=1)
    trending_days: int = Field(default=7, ge=1)
    viewed_by: Literal["session", "person"] = "session"
    cap_per_person: int = Field(default=100, ge=2)
    shrinkage: float = Field(default=100.0, ge=0)
    margin: float = Field(default=0.1, ge=0, le=1)
    stop_words: Literal["english"] | None = "english"
    facets: tuple[str, ...] = ()
    place: str | None = None
    device: str | None = None


class RetentionSettings(Section):
    """How many days what is kept; nothing that is not set here ever goes by its age."""

    events_days: int | None = Field(default=None, ge=1)
    inbox_days: int | None = Field(default=None, ge=1)
    impressions_days: int | None = Field(default=None, ge=1)
    quarantine_days: int | None = Field(default=None, ge=1)
    runs_days: int | None = Field(default=None, ge=1)


class IdentitySettings(Section):
    """The shop's secret for keyed hashes of personal ids (`hmac` transforms, objectIDs of profile records)."""

    hash_key: SecretStr | None = Field(default=None, min_length=16)


def key_name(source: str) -> str:
    """The name of a source as environment variables can say it."""
    return source.lower().replace("-", "_")


class Settings(BaseSettings):
    """Everything a shop configures."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, env_prefix="ALGOSYNC_", env_nested_delimiter="__")

    algolia: AlgoliaSettings
    push: PushSettings = PushSettings()
    rollout: RolloutSettings = RolloutSettings()
    state: StateSettings = StateSettings()
    sources: tuple[AnySource, ...] = ()
    source_keys: dict[str, SecretStr] = {}
    users: tuple[AnyUsers, ...] = ()
    catalog: AnyCatalog = IndexCatalogSettings()
    facets: dict[str, FacetSettings] = {}
    events: EventsSettings = EventsSettings()
    profiles: ProfilesSettings = ProfilesSettings()
    filters: FiltersSettings = FiltersSettings()
    segments: SegmentsSettings = SegmentsSettings()
    actions: ActionsSettings = ActionsSettings()
    related: RelatedSettings = RelatedSettings()
    consent: ConsentSettings = ConsentSettings()
    content: ContentSettings = ContentSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    worker: WorkerSettings = WorkerSettings()
    webhooks: tuple[WebhookSettings, ...] = ()
    webhook_secrets: dict[str, Secrets] = {}
    identity: IdentitySettings = IdentitySettings()
    retention: RetentionSettings = RetentionSettings()
    serve: ServeSettings = ServeSettings()

    @field_validator("facets", mode="before")
    @classmethod
    def _bare_weights(cls, facets: Any) -> Any:
        if not isinstance(facets, dict):
            return facets
        return {name: facet if isinstance(facet, dict) else {"weight": facet} for name, facet in facets.items()}

    @field_validator("sources")
    @classmethod
    def _distinct_sources(cls, sources: tuple[AnySource, ...]) -> tuple[AnySource, ...]:
        names = [source.name for source in sources]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"source names must differ; repeated: {', '.join(repeated)}")
        if [source.type for source in sources].count("collector") > 1:
            raise ValueError("there is one inbox: only one source can be a collector")
        return sources

    @model_validator(mode="after")
    def _keys_have_sources(self) -> Settings:
        names = {key_name(source.name) for source in self.sources if isinstance(source, HttpSourceSettings)}
        if unknown := sorted(self.source_keys.keys() - names):
            there = ", ".join(sorted(names)) or "none"
            raise ValueError(f"source_keys.{unknown[0]}: no source of type http has this name; there are: {there}")
        return self

    @model_validator(mode="after")
    def _webhooks_agree(self) -> Settings:
        check(self.webhooks, self.webhook_secrets)
        return self

    @model_validator(mode="after")
    def _facets_agree(self) -> Settings:
        facet = self.segments.affinity_facet
        if facet is not None and facet not in self.facets:
            raise ValueError(f"segments.affinity_facet: '{facet}' is not among [facets]: {', '.join(self.facets)}")
        attributes = [f.attribute or name for name, f in self.facets.items() if name not in DERIVED_FACETS]
        twice = sorted({attribute for attribute in attributes if attributes.count(attribute) > 1})
        if twice:
            raise ValueError(f"facets: the attribute '{twice[0]}' stands behind two of them")
        for name in DERIVED_FACETS:
            derived = self.facets.get(name)
            if derived is None:
                continue
            if name in ("price_band", "discount_band") and derived.edges is None:
                raise ValueError(f"facets.{name}: needs edges, such as edges = [10, 25, 50]")
            if name in ("on_sale", "discount_band") and self.catalog.list_price is None:
                raise ValueError(
                    f"facets.{name}: needs catalog.list_price, the attribute with the price before reduction"
                )
            if derived.within is not None and derived.within not in self.facets:
                raise ValueError(f"facets.{name}.within: '{derived.within}' is not among [facets]")
        return self
