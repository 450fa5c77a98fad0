#!/bin/bash
exec python3 func.py worker 0 1 2 3 4 5 6 7 8 9
