"""The file of a state that could not be saved."""

from tapdock.runs.unsaved import kept_in_file


def test_two_states_never_share_a_file(tmp_path):
    keys = (
        "default:crm-to-lake:acme",
        "default:crm-to-lake-acme",
        "default:crm-to-lake:a/b",
        "default:crm-to-lake:a-b",
    )
    files = [kept_in_file(tmp_path, key, key) for key in keys]
    assert [file and file.read_text() for file in files] == list(keys)
