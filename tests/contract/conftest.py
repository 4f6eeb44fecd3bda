"""The contract is one for both engines: what only our own can do is listed here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fdfs_storage.fastdfs import Client
from fdfs_storage.fastdfs.fdfs_client_py3 import PublishedClient
from tests.conftest import UNREADABLE, ClusterUnderTest

ENGINES: dict[str, type[Client]] = {"fastdfs": Client, "fdfs-client-py3": PublishedClient}
BEYOND_PUBLISHED = {
    # It lists neither groups nor storages nor trackers, and tests no server.
    "test_the_groups_and_storages_are_listed",
    "test_every_tracker_answers_an_active_test",
    "test_the_trackers_are_listed_with_one_leader",
    "test_the_holders_of_a_file_include_its_source",
    "test_a_group_can_be_chosen",
    # It cannot tell an unknown group from one whose storages are down, so it says NoServerError.
    "test_a_file_of_an_unknown_group_is_missing",
    # It knows no file info: of plain files their ids tell, of appender files nothing.
    "test_content_is_appended",
    "test_an_appender_file_is_cut_or_extended",
    # It cannot regenerate, which these try among other things.
    "test_a_normal_file_is_not_changed",
    "test_a_deleted_appender_file_cannot_be_changed",
    "test_a_regenerated_file_is_a_normal_one_with_a_new_name",
    # It fails at slaves.
    "test_a_slave_has_the_name_that_arithmetic_gives",
    "test_of_a_slave_with_a_short_name_the_server_reports_its_masters_crc",
    "test_a_slave_is_not_overwritten",
    "test_a_slave_without_its_master_is_refused",
    "test_a_slave_name_that_storages_refuse_is_never_sent",
    # It fails at metadata.
    "test_metadata_is_set_merged_replaced_and_removed",
    "test_metadata_comes_with_an_upload_and_goes_with_the_file",
    "test_metadata_that_a_storage_would_cut_is_refused",
    "test_the_longest_metadata_is_kept_whole",
    # The servers are judged here, and the sequences have all operations in them.
    "test_any_sequence_of_operations_does_what_it_says",
}
_JUDGES_HTTP = "test_http.py"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what fdfs-client-py3 cannot do: that it says so is tested elsewhere."""

    def beyond(item: pytest.Item) -> bool:
        engine = getattr(item, "callspec", None) and item.callspec.params.get("client")  # type: ignore[attr-defined]
        listed = item.originalname in BEYOND_PUBLISHED or item.path.name == _JUDGES_HTTP  # type: ignore[attr-defined]
        return engine == "fdfs-client-py3" and listed

    if left_out := [item for item in items if beyond(item)]:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture(params=ENGINES)
def client(request: pytest.FixtureRequest, cluster: ClusterUnderTest, narrow: bool) -> Iterator[Client]:
    if request.param == "fdfs-client-py3" and not narrow:
        pytest.skip(UNREADABLE)
    with ENGINES[request.param](cluster.trackers) as client:
        yield client
