#!/bin/bash
exec python3 func.py server "$@"
