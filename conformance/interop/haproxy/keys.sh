#!/bin/sh
# hallmark keys export --format pem | sh keys.sh DIRECTORY
# Writes each key to a file of its own, for the eight that haproxy.cfg names:
# where there are fewer keys, the last one fills the rest.
set -eu
mkdir -p "$1"
awk -v dir="$1" -v files=8 '
	/^-----BEGIN PUBLIC KEY-----/ { n++ }
	n && !/^#/ { keys[n] = keys[n] $0 "\n" }
	END {
		if (n < 1 || n > files) exit 1
		for (i = 1; i <= files; i++) {
			file = dir "/" i ".pem.new"
			if (i <= n) key = keys[i]
			printf "%s", key > file
		}
	}' || { echo "keys.sh: between one and eight keys are wanted" >&2; exit 1; }
for new in "$1"/*.pem.new; do mv "$new" "${new%.new}"; done
