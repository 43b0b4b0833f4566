#!/bin/bash -eu
# All that there is to know about the build is in the project itself.
exec "$SRC/measure-fuzz/scripts/oss-fuzz-build"
