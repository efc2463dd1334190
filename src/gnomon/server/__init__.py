"""The roof: the local web application, FastAPI over every room and the page that is built from `ui/`.

One router per kind of thing (`story_routes`, `provider_routes`, `runs_routes`); `app.create_app` puts them together and
`access` guards them. It listens on this machine's loopback address only. No room below knows of HTTP.
"""
