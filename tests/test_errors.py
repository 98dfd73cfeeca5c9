"""What is told of errors: one line, without the passwords that URIs have in them."""

import re
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from raydensity.errors import one_line, redacted

PASSWORDS = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters="*"), min_size=8)
SCHEMES = st.sampled_from(["http", "https", "postgresql", "postgresql+psycopg2", "mysql", "s3", "gs", "abfs"])
AROUND = st.sampled_from(["{}", "API request to {}/api/2.0/runs failed: X", "'{}'", "({})", "\n{}, again"])


@given(SCHEMES, PASSWORDS, AROUND, st.booleans())
@example("s3", "ab/cd+ef@gh#ij?k:l'm\"n", "cannot parse '{}'", False)
def test_no_password_is_told(scheme, password, around, quoted):
    """However it is written: such as is not quoted where it should be, which is what errors are about."""
    written = quote(password, safe="") if quoted else password
    text = around.format(f"{scheme}://somebody:{written}@host:5000/folder")
    assert written not in redacted(text)
    assert "somebody" not in redacted(text)
    assert redacted(text).endswith(around.format("@host:5000/folder").rpartition("@")[2])
    assert written not in one_line(RuntimeError(text))


@given(PASSWORDS, st.integers(250, 300))
def test_a_long_message_is_not_cut_within_a_password(password, before):
    """Cut before it is redacted, what tells a password from the rest could be missing."""
    told = one_line(RuntimeError(f"{'x' * before} http://somebody:{password}@host/api"))
    assert password[:4] not in told.removeprefix("x" * before)


@given(st.sampled_from(["password", "secret_key", "access_key", "sslpassword", "SessionToken"]), st.uuids())
def test_no_parameter_of_a_uri_that_is_a_secret_is_told(name, secret):
    text = redacted(f"postgresql://host/database?user=me&{name}={secret}&region=here cannot be used")
    assert str(secret) not in text
    assert text.startswith("postgresql://host/database?user=me&")
    assert text.endswith("&region=here cannot be used")


@pytest.mark.parametrize(
    "text",
    [
        "sqlite:////home/me@work/mlflow.db",
        "file:///home/me@work/ledger",
        "http://127.0.0.1:5000/api/2.0/mlflow/runs/search",
        "s3://bucket/folder?region=us-east-1&endpoint_override=127.0.0.1:9000",
        "--out: cannot write to /home/me@work (No space left on device)",
        "10.0.0.1:6379: mail me@host",
        "",
    ],
)
def test_what_is_no_secret_stays(text):
    assert redacted(text) == text


def test_an_error_without_words_is_told_by_its_kind():
    assert one_line(KeyError()) == "KeyError"
    assert not re.search(r"\n", one_line(ValueError("one\ntwo")))
