"""memray-leaks.py FILE: the stacks of what was not freed, as JSON: [[[function, place], ...], ...], the leaf first."""

import json
import sys

import memray

with memray.FileReader(sys.argv[1]) as reader:
    native = reader.metadata.has_native_traces
    found = []
    for record in reader.get_leaked_allocation_records(merge_threads=True):
        trace = record.hybrid_stack_trace() if native else record.stack_trace()
        found.append([[function, f"{file}:{line}"] for function, file, line in trace])
json.dump(found, sys.stdout)
