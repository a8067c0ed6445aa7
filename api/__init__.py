"""Serve a repository over GraphQL: parse, one call of a use case, a typed answer.

`lin.api.server.serve` starts the server, `lin.api.schema` is the schema, `docs/graphql.md` tells how to ask.
Needs the extra `lin-store[server]`; nothing else of lin imports this package.
"""
