/* Counts its calls in a state store and publishes the new count.
 *
 *   clang --target=wasm32-wasi -O2 -o count.wasm count.c
 *
 *   [function.count]
 *   module = "count.wasm"
 *   allow.dapr.state = { "store/count" = "read-write" }
 *   allow.dapr.publish = ["broker/counts"]
 *
 * (Two calls at once may read the same count: the module has no etags.) */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dapr.h"

#define TEXT(text) text, strlen(text)

static void must(enum dapr_errno error, const char* what) {
  if (error != DAPR_SUCCESS) {
    fprintf(stderr, "%s: error %d\n", what, (int)error);
    exit(1);
  }
}

int main(void) {
  char digits[32] = "0";
  enum dapr_errno error = dapr_state_get(TEXT("store"), TEXT("count"));
  if (error != DAPR_NOT_FOUND) {
    must(error, "reading the count");
    if (dapr_answer_size() >= sizeof digits) {
      fprintf(stderr, "the count is no number\n");
      return 1;
    }
    must(dapr_answer_read(0, digits, dapr_answer_size()), "taking the count");
    digits[dapr_answer_size()] = '\0';
  }
  snprintf(digits, sizeof digits, "%ld", atol(digits) + 1);
  must(dapr_state_save(TEXT("store"), TEXT("count"), TEXT(digits)), "saving the count");
  must(dapr_publish(TEXT("broker"), TEXT("counts"), TEXT("application/json"), TEXT(digits)), "publishing the count");
  printf("%s\n", digits);
  return 0;
}
