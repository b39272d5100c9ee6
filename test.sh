#!/usr/bin/env bash
# Passes the tests on a fresh Debian machine that has Go, g++ and git: installs
# the real clients that the tests drive, then checks, tests and fuzzes shortly.
#
#   ./test.sh            everything (also: ./test.sh all)
#   ./test.sh check      formatter and static analysis only
#   ./test.sh setup      install the clients and parts only
#   ./test.sh parts      fetch the real servers that tests and demo start
#   ./test.sh interop    slow tests against other engines, which it installs
#   ./test.sh soak 30    pipes through so many stops; LAKEPORT_SOAK_SEED repeats one
#   ./test.sh memory 5   how much memory loads of so many GB take; six times as much disk
#   ./test.sh fuzz 60s   every fuzz target for this long each
set -euo pipefail
cd "$(dirname "$0")"
cache=$PWD/.cache
venv=$cache/venv
connectorj=8.0.33      # of the tests over the whole server
newest=26.10.0         # Connector/J of the protocol's own tests
pgjdbc=42.7.4
redshiftjdbc=2.1.0.32

root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

# install gets Debian packages.
install() {
  [ $# -gt 0 ] || return 0
  root apt-get update -qq
  root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$@" >/dev/null
}

setup() {
  local missing=()
  command -v mariadb >/dev/null || missing+=(mariadb-client)
  command -v psql >/dev/null || missing+=(postgresql-client)
  command -v python3 >/dev/null && python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3 python3-venv)
  command -v javac >/dev/null || missing+=(default-jdk-headless)
  command -v g++ >/dev/null || missing+=(g++)
  command -v curl >/dev/null || missing+=(curl)
  command -v script >/dev/null || missing+=(bsdutils)
  install "${missing[@]}"
  parts
  if ! "$venv/bin/python" -c 'import pymysql, cryptography, boto3, psycopg, psycopg2, pyiceberg.catalog.glue, pyarrow' 2>/dev/null || [ ! -x "$venv/bin/aws" ]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install -q pymysql==1.2.4 cryptography boto3==1.44.5 awscli==1.46.3 psycopg2-binary==2.9.13 "psycopg[binary]==3.3.9" "pyiceberg[pyarrow,glue]==0.12.0"
  fi
  mvn -q -o dependency:get -Dartifact="com.mysql:mysql-connector-j:$newest" 2>/dev/null >&2 ||
    mvn -q dependency:get -Dartifact="com.mysql:mysql-connector-j:$newest"
  if [ ! -f "$cache/java/mysql-connector-j-$connectorj.jar" ]; then
    mvn -q dependency:copy -Dartifact="com.mysql:mysql-connector-j:$connectorj" -DoutputDirectory="$cache/java"
  fi
  for jar in "org.postgresql:postgresql:$pgjdbc" "com.amazon.redshift:redshift-jdbc42:$redshiftjdbc"; do
    name=${jar#*:}
    [ -f "$cache/java/${name/:/-}.jar" ] || mvn -q dependency:copy -Dartifact="$jar" -DoutputDirectory="$cache/java"
  done
}

# parts fetches the real servers that tests and demo start, once: databases as
# Debian packages, the rest into .cache/parts. They run offline afterwards.
parts() {
  local missing=()
  command -v mariadbd >/dev/null || [ -x /usr/sbin/mariadbd ] || missing+=(mariadb-server)
  ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing+=(postgresql)
  command -v java >/dev/null || missing+=(default-jre-headless)
  command -v mvn >/dev/null || missing+=(maven)
  install "${missing[@]}"
  hive_metastore 3.1.3
}

# A Hive Metastore: its jars, and a Derby database with the schema made, of
# which every start takes a copy.
hive_metastore() {
  local version=$1 to=$cache/parts/hms-$1 new=$cache/parts/hms-$1.new dist
  [ ! -d "$to" ] || return 0
  rm -rf "$new"
  mkdir -p "$new"
  mvn -q -B -f parts/hms/pom.xml dependency:copy-dependencies -DoutputDirectory="$new/lib" -DincludeScope=runtime
  # One logging binding of several, and the log that it writes to.
  rm -f "$new"/lib/{log4j-1.2,slf4j-log4j12,slf4j-reload4j,reload4j}*.jar
  mvn -q -B dependency:copy -Dartifact="org.apache.hive:hive-standalone-metastore:$version:tar.gz:bin" -DoutputDirectory="$new"
  dist=apache-hive-metastore-$version-bin
  tar -xzf "$new/hive-standalone-metastore-$version-bin.tar.gz" -C "$new" "$dist/scripts"
  { echo "CONNECT 'jdbc:derby:metastore_db;create=true';"
    cat "$new/$dist/scripts/metastore/upgrade/derby/hive-schema-3.1.0.derby.sql"
    echo "EXIT;"; } >"$new/schema.sql"
  (cd "$new" && java -cp "lib/*" -Dij.exceptionTrace=false org.apache.derby.tools.ij schema.sql >schema.log)
  ! grep -q '^ERROR' "$new/schema.log" || { grep '^ERROR' "$new/schema.log"; exit 1; }
  rm -rf "${new:?}/$dist" "$new"/*.tar.gz "$new"/schema.* "$new/derby.log"
  mv "$new" "$to"
}

# The Hive Metastore of version 4, which keeps its records in a PostgreSQL: its
# jars, and the statements that make their tables.
hive_metastore_4() {
  local version=4.0.1 to=$cache/parts/hms-4.0.1 new=$cache/parts/hms-4.0.1.new dist
  [ ! -d "$to" ] || return 0
  rm -rf "$new"
  mkdir -p "$new"
  mvn -q -B -f parts/hms4/pom.xml dependency:copy-dependencies -DoutputDirectory="$new/lib" -DincludeScope=runtime
  rm -f "$new"/lib/slf4j-reload4j*.jar
  mvn -q -B dependency:copy -Dartifact="org.apache.hive:hive-standalone-metastore-server:$version:tar.gz:bin" -DoutputDirectory="$new"
  dist=apache-hive-metastore-$version-bin
  tar -xzf "$new/hive-standalone-metastore-server-$version-bin.tar.gz" -O "$dist/scripts/metastore/upgrade/postgres/hive-schema-4.0.0.postgres.sql" >"$new/schema.sql"
  rm -f "$new"/*.tar.gz
  mv "$new" "$to"
}

# interop runs the tests that compare lakeport with other engines' writing and
# reading. Spark 3.5 needs Java 17.
interop() {
  local spark=$cache/spark
  setup
  if [ ! -x "$spark/bin/spark-submit" ]; then
    python3 -m venv "$spark"
    "$spark/bin/pip" install -q pyspark==3.5.9
  fi
  [ -d "$spark/jars" ] || mvn -q -B -f parts/spark/pom.xml dependency:copy-dependencies -DoutputDirectory="$spark/jars" -DincludeScope=runtime
  for jar in iceberg-spark-runtime-3.5_2.12 iceberg-aws-bundle; do
    [ -f "$spark/iceberg/$jar-1.12.0.jar" ] || mvn -q -B dependency:copy -Dartifact="org.apache.iceberg:$jar:1.12.0" -DoutputDirectory="$spark/iceberg"
  done
  for jar in delta-spark_2.12 delta-storage; do
    [ -f "$spark/delta/$jar-3.3.2.jar" ] || mvn -q -B dependency:copy -Dartifact="io.delta:$jar:3.3.2" -DoutputDirectory="$spark/delta"
  done
  hive_metastore_4
  LAKEPORT_SPARK=$spark go test -count=1 -v -timeout 30m -run '^TestInterop' ./internal/e2e
}

check() {
  local bad
  bad=$(gofmt -l $(git ls-files '*.go'))
  if [ -n "$bad" ]; then echo "not gofmt-clean (run gofmt -w):"; echo "$bad"; exit 1; fi
  go vet ./...
}

# fuzz SPAN [plain]: plain binaries build fast and mutate the seeds blindly.
# As many packages at once as there are processors, with one worker each.
fuzz() {
  local guided=-fuzz=.
  [ "${2:-}" != plain ] || guided=
  export cache
  export -f fuzz_package
  grep -rlE '^func Fuzz' --include='*_test.go' internal cmd | xargs -n1 dirname | sort -u |
    xargs -P "$(nproc)" -I{} bash -euo pipefail -c 'fuzz_package "$@" || exit 255' - {} "$1" "$guided"
}

# fuzz_package PACKAGE SPAN FLAG: one binary for all targets of a package.
fuzz_package() {
  local at=$cache/fuzz/$1 target
  mkdir -p "$at"
  go test -c -vet=off $3 -o "$at/fuzz.test" "./$1" </dev/null || return 1
  for target in $(grep -hoE '^func Fuzz[A-Za-z0-9]+' "$1"/*_test.go | awk '{print $2}'); do
    echo "fuzz $1 $target"
    (cd "$1" && "$at/fuzz.test" -test.run='^$' -test.fuzz="^$target\$" -test.fuzztime="$2" -test.parallel=1 -test.fuzzcachedir="$at") >"$at/log" 2>&1 </dev/null ||
      { cat "$at/log"; return 1; }
    grep -q '^fuzz: elapsed' "$at/log" || { echo "$target did not run"; return 1; }
  done
  rm -f "$at/fuzz.test"
}

mkdir -p "$cache"
export PATH=$venv/bin:$PATH LAKEPORT_CONNECTORJ=$cache/java/mysql-connector-j-$connectorj.jar
export LAKEPORT_PGJDBC=$cache/java/postgresql-$pgjdbc.jar LAKEPORT_REDSHIFTJDBC=$cache/java/redshift-jdbc42-$redshiftjdbc.jar
# The machine's own AWS settings must not reach the tests.
unset "${!AWS_@}" || true
export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null AWS_EC2_METADATA_DISABLED=

case ${1:-all} in
  check) check ;;
  setup) setup ;;
  parts) parts ;;
  interop) interop ;;
  soak) LAKEPORT_SOAK=${2:-30} go test -count=1 -v -timeout 60m -run '^TestPipesOutliveStops$' ./internal/e2e ;;
  memory) LAKEPORT_LOADS=${2:-5} go test -count=1 -v -timeout 120m -run "^TestMemoryOfLoads$" ./internal/e2e ;;
  fuzz) fuzz "${2:-60s}" "${3:-}" ;;
  all)
    setup
    check
    go test -vet=off -count=1 -timeout 20m ./... # check has vetted
    fuzz 1000x plain # a count: at a deadline Go may fail a target that is sound
    ;;
  *) sed -n '2,12p' "$0"; exit 2 ;;
esac
