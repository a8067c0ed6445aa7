"""Print the schema: `python -m lin.api.schema > api/schema.graphql`."""

import sys

from . import print_schema

sys.stdout.write(print_schema())
