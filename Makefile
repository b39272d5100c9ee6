# Every target is one command that can be typed as well; see README.md.
.PHONY: demo test parts interop check fuzz bench soak memory

demo: ## the main job, offline, in one process
	go run ./cmd/lakeport demo

test: ## what README's second command does
	./test.sh

parts: ## the real servers that tests and demo start: packages, and .cache/parts
	./test.sh parts

interop: ## slow tests against other engines
	./test.sh interop

memory: ## how much memory loads and unloads of 5 GB take
	./test.sh memory

check: ## formatter and static analysis
	./test.sh check

fuzz: ## every fuzz target, FUZZTIME each
	./test.sh fuzz $${FUZZTIME:-60s}

bench: ## the benchmarks that bench/README.md describes
	go test -run="^$$$$" -bench=. ./internal/iam ./internal/sigv4 ./internal/wire/mysql ./internal/scan ./internal/e2e

soak: ## pipes through SOAK_STOPS stops at random, source and target compared
	./test.sh soak $${SOAK_STOPS:-30}
