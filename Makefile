# Every target makes its own environment first; all it takes is Python 3.11 or newer.
env = python=$$(sh tools/environment.sh up,dev) && PATH="$$(dirname "$$python"):$$PATH" &&

check: lint ## format, lint, types, floors and the fast tests, in seconds
	@$(env) "$$python" -m pytest -q -m "not slow and not nightly"

lint:
	@$(env) ruff format --check . && ruff check . && mypy && lint-imports --no-logo

fix: ## let ruff repair what it can
	@$(env) ruff format . && ruff check --fix .

test: ## the whole suite, but for the long forms of some proofs
	@$(env) "$$python" -m pytest -n 4 --dist loadgroup -m "not nightly"

nightly: ## all stages of the proof in their long forms, into TRUST.md; goes on where it was ended
	@$(env) { "$$python" -m proof nightly; ended=$$?; "$$python" -m proof trust; exit $$ended; }

STAGES = model interleavings machine fences sim twin fuzz mutants torture

$(STAGES): ## one stage of the proof; sim takes SEED=n, torture and fuzz SEED=n MINUTES=n
	@$(env) "$$python" -m proof $@ $(if $(SEED),--seed $(SEED)) $(if $(MINUTES),--minutes $(MINUTES))

test-pooled: ## the parts and whole processes through a pooler of transactions
	@$(env) FCS_TEST_POOLER=1 "$$python" -m pytest -n 4 --dist loadgroup -m "not nightly and not direct" \
		tests/parts tests/system

docs: ## draw the life of a task into ARCHITECTURE.md anew
	@$(env) "$$python" tools/diagram.py

bench: ## every bar of the budget, measured on a Postgres of its own
	@$(env) "$$python" -m bench

growth: env = python=$$(sh tools/environment.sh up,dev,bench) && PATH="$$(dirname "$$python"):$$PATH" &&
growth: ## how cost grows with tasks, workers, backlog and payload, with plots
	@$(env) "$$python" -m bench growth

.PHONY: check lint fix test nightly test-pooled docs bench growth $(STAGES)
