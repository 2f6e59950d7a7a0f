#!/bin/sh
# Compiles the service with the JDK alone, into build/libs/service.jar. A service that grows dependencies
# replaces this by Maven or Gradle, and the commands in fawkes.yaml with it.
set -eu
cd "$(dirname "$0")"
rm -rf build/classes build/libs
mkdir -p build/classes build/libs
javac --release 17 -Xlint:all -d build/classes src/*.java
jar --create --file build/libs/service.jar --main-class Main -C build/classes .
