/* What engine/src/lib.rs adds to Wasmtime's C API. The two files change together. */
#pragma once

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct wasmtime_store;
struct wasmtime_pooling_allocation_config_t;

/* Limits of one store and what came of them. Owned by the caller; alive and unmoved for as long as the store lives. */
typedef struct trilby_limiter_t {
  uint64_t max_memory_bytes;   /* all linear memories and GC heaps together */
  uint64_t max_table_elements; /* all tables together */
  uint64_t memory_bytes;       /* in use; memories never shrink, so in the end this is the peak */
  uint64_t table_elements;
  uint32_t denied; /* growths refused because of the two limits, saturating */
} trilby_limiter_t;

/* Before instantiation. */
void trilby_store_limiter(struct wasmtime_store* store, trilby_limiter_t* limiter);

/* Resets only the pages that a guest dirtied, where the kernel can tell (Linux 6.7+). */
void trilby_pooling_pagemap_scan_auto(struct wasmtime_pooling_allocation_config_t* config);

#ifdef __cplusplus
}
#endif
