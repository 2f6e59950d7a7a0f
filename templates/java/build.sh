#!/bin/sh
# Compiles the service with the JDK alone, into build/image/app/service.jar. A service that grows dependencies
# replaces this by Maven or Gradle, and the commands in fawkes.yaml with it.
set -eu
cd "$(dirname "$0")"
rm -rf build/classes build/image
mkdir -p build/classes build/image/app
javac --release 17 -Xlint:all -d build/classes src/*.java
jar --create --file build/image/app/service.jar --main-class Main -C build/classes .
