/* What engine/src/lib.rs adds to Wasmtime's C API. The two files change together. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct wasmtime_error;
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

/* A directory of the host and where the guest finds it. */
typedef struct trilby_directory_t {
  const char* host;
  const char* guest;
  bool write;
} trilby_directory_t;

/* What one guest with directories has. All that it points to outlives the store. */
typedef struct trilby_files_t {
  const uint8_t* input;
  size_t input_size;
  /* Takes what the guest writes to descriptor 1 or 2. False: the guest ends. */
  bool (*write)(void* data, uint32_t descriptor, const uint8_t* bytes, size_t size);
  void* data;
  const trilby_directory_t* directories;
  size_t directory_count;
  size_t max_handles; /* of all kinds, open at once */
} trilby_files_t;

/* Gives the guest of a store, whose linker has wasmtime's WASI, its files. Before instantiation, on the thread that
   will poll it. Returns false when a directory cannot be opened; the store must then not be used. */
bool trilby_store_files(struct wasmtime_store* store, const trilby_files_t* files);

/* Whether a guest ended because it wanted to have more files open than it may. */
bool trilby_error_is_too_many_handles(const struct wasmtime_error* error);

/* Resets only the pages that a guest dirtied, where the kernel can tell (Linux 6.7+). */
void trilby_pooling_pagemap_scan_auto(struct wasmtime_pooling_allocation_config_t* config);

#ifdef __cplusplus
}
#endif
