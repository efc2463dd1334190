"""Who is let in, who is not, and what every answer tells the browser."""

import pytest
from fastapi.testclient import TestClient

from gnomon.server.access import Access
from gnomon.server.failures import LARGEST_BODY

OPEN = {("get", "/api/health"), ("post", "/api/session")}


def test_every_call_but_health_and_session_needs_the_token(client, stranger) -> None:
    calls = [
        (method, path) for path, methods in client.get("/openapi.json").json()["paths"].items() for method in methods
    ]
    assert len(calls) > 30
    for method, path in calls:
        answer = stranger.request(method, path.replace("{", "").replace("}", ""))
        if (method, path) in OPEN:
            assert answer.status_code != 401 or answer.json()["error"]["message"] == "Send a code, or the token.", path
        else:
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthorized"), (method, path)
    assert stranger.get("/api/health").json() == client.get("/api/health").json()
    assert stranger.get("/api/nothing").status_code == 401
    assert client.get("/api/nothing").status_code == 404


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Bearer wrong", "Basic {token}", "{token}", "Bearer {token}x", "Bearer é"]
)
def test_what_is_not_the_token_is_refused(stranger: TestClient, access: Access, header: str) -> None:
    given = header.format(token=access.token).encode("latin-1")
    assert stranger.get("/api/stories", headers={"Authorization": given}).status_code == 401


def test_a_code_lets_one_browser_in_once(stranger: TestClient, app, access: Access) -> None:
    code = access.new_code()
    answer = stranger.post("/api/session", json={"code": code})
    assert (answer.status_code, answer.json()) == (200, {})
    kept = answer.headers["set-cookie"]
    assert all(part in kept.lower() for part in ("httponly", "samesite=strict", "path=/")), kept
    assert access.token not in kept
    assert code not in kept
    assert stranger.get("/api/stories").status_code == 200
    second = TestClient(app, stranger.base_url)
    again = second.post("/api/session", json={"code": code})
    assert (again.status_code, again.json()["error"]["code"]) == (401, "bad_code")
    assert second.get("/api/stories").status_code == 401


def test_wrong_codes_lock_nobody_out(stranger: TestClient, access: Access) -> None:
    code = access.new_code()
    assert len(code) >= 22  # 128 bits in base64
    for wrong in ("", "x", code[:-1], code + "x", "é"):
        answer = stranger.post("/api/session", json={"code": wrong})
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "bad_code"), wrong
    assert stranger.post("/api/session").json()["error"]["code"] == "unauthorized"
    assert stranger.post("/api/session", json={}).json()["error"]["code"] == "unauthorized"
    assert stranger.post("/api/session", json={"code": 7}).json()["error"]["field"] == "code"
    assert stranger.post("/api/session", json={"code": code}).status_code == 200


def test_the_token_lets_a_second_browser_in(stranger: TestClient, access: Access) -> None:
    assert stranger.post("/api/session", headers={"Authorization": f"Bearer {access.token}"}).status_code == 200
    assert stranger.get("/api/stories").status_code == 200


def test_the_cookie_of_another_port_is_none(stranger: TestClient, access: Access) -> None:
    other = Access(access.port + 1)
    stranger.cookies.set(other.cookie, access.session)
    assert stranger.get("/api/stories").status_code == 401
    stranger.cookies.set(access.cookie, other.session)
    assert stranger.get("/api/stories").status_code == 401
    assert other.cookie != access.cookie


@pytest.mark.parametrize("path", ["/", "/story/a", "/assets/x.js", "/openapi.json", "/api/health", "/api/stories"])
def test_another_host_name_is_refused_everywhere(client: TestClient, access: Access, path: str) -> None:
    for host in ("127.0.0.1", "127.0.0.1:1", "localhost", "evil.example:8712", f"evil.example:{access.port}", ""):
        answer = client.get(path, headers={"Host": host})
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden"), host
    for host in access.hosts:
        assert client.get(path, headers={"Host": host}).status_code in (200, 404), host


def test_a_write_of_another_page_is_refused(client: TestClient, access: Access) -> None:
    for origin in (
        "http://evil.example", "null", "https://127.0.0.1:8712", "http://127.0.0.1:3000", "http://localhost",
        f"http://127.0.0.1:{access.port}.evil.example", "",
    ):  # fmt: skip
        answer = client.post("/api/stories", json={"title": "A", "text": "B"}, headers={"Origin": origin})
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden"), origin
        read = client.get("/api/stories", headers={"Origin": origin})
        assert not [name for name in read.headers if name.startswith("access-control-")]
        assert read.json() == {"stories": []}
        asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        assert client.options("/api/stories", headers=asked).status_code == 403
    for host in access.hosts:
        answer = client.post("/api/stories", json={"title": "A", "text": "B"}, headers={"Origin": f"http://{host}"})
        assert answer.status_code == 201


def test_what_a_browser_says_is_sent_by_another_site_is_refused(client: TestClient) -> None:
    for site in ("cross-site", "same-site"):
        assert client.get("/api/stories", headers={"Sec-Fetch-Site": site}).status_code == 403
        assert client.post("/api/session", headers={"Sec-Fetch-Site": site}).status_code == 403
        assert client.get("/", headers={"Sec-Fetch-Site": site}).status_code == 200  # a link to the page
    for site in ("same-origin", "none"):
        assert client.get("/api/stories", headers={"Sec-Fetch-Site": site}).status_code == 200


def test_every_answer_tells_the_browser_what_it_may_not_do(client: TestClient, stranger: TestClient, app) -> None:
    @app.get("/api/broken")
    def broken() -> None:
        raise RuntimeError("what only the terminal shows")

    def check(answer, status: int) -> None:
        assert answer.status_code == status
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'self';")
        assert "script-src" not in policy
        assert "object-src 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert "server" not in answer.headers

    check(client.get("/"), 200)
    check(client.get("/api/health"), 200)
    check(client.get("/api/stories/none"), 404)
    check(client.get("/none.js"), 404)
    check(stranger.get("/api/stories"), 401)
    check(client.get("/", headers={"Host": "evil.example"}), 403)
    fault = TestClient(app, client.base_url, headers=client.headers, raise_server_exceptions=False).get("/api/broken")
    check(fault, 500)
    assert fault.json()["error"]["code"] == "fault"
    assert "what only the terminal shows" not in fault.text
    assert client.get("/api/health").headers["cache-control"] == "no-store"
    assert client.get("/").headers["cache-control"] == "no-cache"


def test_a_body_above_20_mb_is_refused_whether_its_length_is_said_or_not(client: TestClient) -> None:
    def piece_by_piece(size: int):
        yield b'{"title": "A", "text": "'
        for _ in range(size // 2**16):
            yield b"a" * 2**16
        yield b'"}'

    text = {"title": "A", "text": "a" * LARGEST_BODY}
    for sent in (
        {"json": text},
        {"content": piece_by_piece(LARGEST_BODY + 2**17)},
        {"files": {"file": ("a.txt", b"a" * LARGEST_BODY)}},
    ):
        answer = client.post("/api/stories", **sent)
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
        assert "20 MB" in answer.json()["error"]["message"]
    assert client.get("/api/stories").json() == {"stories": []}


def test_no_answer_has_the_token_in_it(client: TestClient, access: Access) -> None:
    code = access.new_code()
    answers = [client.get("/"), client.get("/openapi.json"), client.get("/api/stories"), client.get("/api/providers"),
               client.post("/api/session", json={"code": code}), client.post("/api/session", json={"code": code})]  # fmt: skip
    for answer in answers:
        for secret in (access.token, code):
            assert secret not in answer.text
            assert secret not in str(answer.headers)
