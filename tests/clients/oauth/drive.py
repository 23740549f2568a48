"""requests-oauthlib and authlib ask for tokens as they do by default, by HTTP Basic, and in the body; the tokens are good,
and errors are what each library makes of RFC 6749, section 5.2."""

import json
import os

from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session as AuthlibSession
from oauthlib.oauth2 import BackendApplicationClient, OAuth2Error
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session

BASE = os.environ["BASE_URL"].rstrip("/")
KEY = os.environ["API_KEY"]
KEY_ID = json.load(open(os.environ["DEMO_JSON"]))["key_id"]
AGENTS = BASE + "/v2/agents"
checks = 0


def check(holds, what):
    global checks
    checks += 1
    if not holds:
        raise SystemExit(f"does not hold: {what}")


def error_of(what, call):
    try:
        call()
    except (OAuthError, OAuth2Error) as error:
        return error.error
    raise SystemExit(f"{what} should fail, and succeeded")


for path in ["/oauth2/token", "/oauth/token"]:
    url = BASE + path

    def session():
        return OAuth2Session(client=BackendApplicationClient(client_id=KEY_ID))

    for how, arguments in {
        "by default": {"client_id": KEY_ID, "client_secret": KEY},
        "by HTTP Basic": {"auth": HTTPBasicAuth(KEY_ID, KEY)},
        "by HTTP Basic, with the id in the body": {"auth": HTTPBasicAuth(KEY_ID, KEY), "include_client_id": True},
        "in the body": {"client_id": KEY_ID, "client_secret": KEY, "include_client_id": True, "auth": False},
    }.items():
        client = session()
        token = client.fetch_token(url, **arguments)
        check(token["token_type"] == "Bearer" and token["expires_in"] == 1800, f"requests-oauthlib {how}: {token}")
        check(client.get(AGENTS).status_code == 200, f"requests-oauthlib {how}: the token is good")
    wrong = error_of("a wrong secret", lambda: session().fetch_token(url, auth=HTTPBasicAuth(KEY_ID, "wrong")))
    check(wrong == "invalid_client", f"requests-oauthlib: a wrong secret is {wrong}")

    for method in ["client_secret_basic", "client_secret_post"]:
        client = AuthlibSession(KEY_ID, KEY, token_endpoint_auth_method=method)
        token = client.fetch_token(url, grant_type="client_credentials")
        check(token["expires_in"] == 1800, f"authlib {method}: {token}")
        check(client.get(AGENTS).status_code == 200, f"authlib {method}: the token is good")
        client = AuthlibSession(KEY_ID, "wrong", token_endpoint_auth_method=method)
        wrong = error_of("a wrong secret", lambda: client.fetch_token(url, grant_type="client_credentials"))
        check(wrong == "invalid_client", f"authlib {method}: a wrong secret is {wrong}")
        client = AuthlibSession(KEY_ID, KEY, token_endpoint_auth_method=method)
        other = error_of("another grant", lambda: client.fetch_token(url, grant_type="password", username="u", password="p"))
        check(other == "unsupported_grant_type", f"authlib {method}: another grant is {other}")

print(f"requests-oauthlib and authlib: {checks} checks hold")
