#!/bin/sh
# Runs the tests with the small runner in test/Runner.java: test.sh unit, test.sh behavior.
set -eu
cd "$(dirname "$0")"
case "${1-}" in
  unit) tests=ServiceTest ;;
  behavior) tests=BehaviorTest ;;
  *) echo "usage: test.sh unit|behavior" >&2; exit 2 ;;
esac
[ -f build/libs/service.jar ] || ./build.sh
rm -rf build/tests
mkdir -p build/tests
javac --release 17 -Xlint:all -cp build/classes -d build/tests test/*.java
exec java -cp build/classes:build/tests Runner "$tests"
