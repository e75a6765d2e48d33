"""The NGC API: endpoints as functions that return records. Only ``wire`` knows the names of JSON members."""
