#!/usr/bin/env bash
# kill -9 of the subscription method at the beginning of each action and in the middle of each long one, with every way of the first copy.
#   tests/long/killed.sh [snapshot|native|dump]; make soak T=long/killed
exec "$(dirname "$0")/../faults/subscription.sh" all "$@"
