"""The others of side_by_side.py, each used as its own documentation says; runs in that benchmark's own environment.

`python peers.py plain|django_save|django_reindex PORT INDEX ROWS.json CHANGED.json BATCH`. ROWS holds every record,
CHANGED the objectIDs of those that changed since the last time.
"""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from pathlib import Path

HOSTS = 4  # as many as an application at Algolia has: the client goes on to the next after an error


def to_the_mock(port: int) -> None:
    """Nothing is changed but the address: the packages know no setting for it."""
    from algoliasearch.http.hosts import Host, HostsCollection
    from algoliasearch.search.config import SearchConfig

    def hosts(self: SearchConfig) -> None:
        self.hosts = HostsCollection([Host("127.0.0.1", "http", port) for _ in range(HOSTS)])
        self.proxies = None

    SearchConfig.set_default_hosts = hosts


def plain(index: str, rows: list[dict], batch: int) -> None:
    """The loop that everybody writes first: all records, by the client's own helper."""
    from algoliasearch.search.client import SearchClientSync

    client = SearchClientSync("MOCKAPP", "mock-admin")
    client.save_objects(index, rows, wait_for_tasks=True, batch_size=batch)


def django(index: str, rows: list[dict], changed: set[str], batch: int, *, reindex: bool) -> None:
    """A model whose rows are indexed when they are saved, or all of them by the command `algolia_reindex`."""
    import django as framework
    from django.conf import settings

    settings.configure(
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        INSTALLED_APPS=["algoliasearch_django"],
        ALGOLIA={"APPLICATION_ID": "MOCKAPP", "API_KEY": "mock-admin", "AUTO_INDEXING": not reindex},
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    )
    framework.setup()
    import algoliasearch_django
    from algoliasearch.search.client import SearchClientSync
    from django.db import connection, models

    # The mock knows no synonyms.
    SearchClientSync.browse_synonyms = lambda *_, **__: None

    class Profile(models.Model):
        name = models.CharField(primary_key=True, max_length=64)
        filters = models.JSONField()

        class Meta:
            app_label = "algoliasearch_django"

        def optionalFilters(self) -> object:  # noqa: N802
            return self.filters

    class ProfileIndex(algoliasearch_django.AlgoliaIndex):
        index_name = index
        custom_objectID = "name"  # noqa: N815
        fields = ("optionalFilters",)

    algoliasearch_django.register(Profile, ProfileIndex)
    with connection.schema_editor() as editor:
        editor.create_model(Profile)
    every = [Profile(name=row["objectID"], filters=row["optionalFilters"]) for row in rows]
    if reindex:
        Profile.objects.bulk_create(every)
        algoliasearch_django.reindex_all(Profile, batch_size=batch)
    else:
        for each in every:
            if each.name in changed:
                with suppress(Exception):  # each save is a visitor's or a clerk's own; the others go on
                    each.save()


def main() -> None:
    """Runs one of them."""
    way, port, index, rows, changed, batch = sys.argv[1:]
    to_the_mock(int(port))
    records, names = json.loads(Path(rows).read_text()), set(json.loads(Path(changed).read_text()))
    if way == "plain":
        plain(index, records, int(batch))
    else:
        django(index, records, names, int(batch), reindex=way == "django_reindex")


if __name__ == "__main__":
    main()
