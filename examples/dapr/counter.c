/* An actor that counts. Its count is in its state, so that it outlives whoever hosts it; calls of one counter come one
 * after the other, so that none is lost.
 *
 *   clang --target=wasm32-wasi -O2 -o counter.wasm counter.c
 *
 *   [app.shop]
 *   port = 7000
 *   sidecar = { http = 3500 }
 *   [[app.shop.actor]]
 *   type = "Counter"
 *   function = "counter"
 *   [function.counter]
 *   module = "counter.wasm"
 *   output = "cgi"
 *
 *   curl -X POST localhost:3500/v1.0/actors/Counter/apples/method/add -d 3 */
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

static long read_count(void) {
  char digits[32] = "0";
  enum dapr_errno error = dapr_actor_state_get(TEXT("count"));
  if (error == DAPR_NOT_FOUND) {
    return 0;
  }
  must(error, "reading the count");
  if (dapr_answer_size() >= sizeof digits) {
    fprintf(stderr, "the count is no number\n");
    exit(1);
  }
  must(dapr_answer_read(0, digits, dapr_answer_size()), "taking the count");
  return atol(digits);
}

static int is_called(const char* variable, const char* name) {
  const char* called = getenv(variable);
  return called != NULL && strcmp(called, name) == 0;
}

int main(void) {
  char text[256] = "";
  if (is_called("DAPR_ACTOR_METHOD", "get")) {
    printf("Content-Type: application/json\n\n%ld\n", read_count());
  } else if (is_called("DAPR_ACTOR_METHOD", "add")) {
    text[fread(text, 1, sizeof text - 1, stdin)] = '\0';
    const long count = read_count() + atol(text);
    snprintf(text, sizeof text, "[{\"operation\":\"upsert\",\"request\":{\"key\":\"count\",\"value\":%ld}}]", count);
    must(dapr_actor_state_change(TEXT(text)), "saving the count");
    printf("Content-Type: application/json\n\n%ld\n", count);
  } else if (is_called("DAPR_ACTOR_METHOD", "forget-in-a-second")) {
    must(dapr_actor_reminder(TEXT("forget"), TEXT("{\"dueTime\":\"1s\",\"period\":\"1h\"}")), "setting the reminder");
    printf("Content-Type: text/plain\n\n");
  } else if (is_called("DAPR_ACTOR_REMINDER", "forget")) {
    must(dapr_actor_state_change(TEXT("[{\"operation\":\"delete\",\"request\":{\"key\":\"count\"}}]")), "forgetting");
    printf("Status: 200\nX-Daprremindercancel: true\n\n"); /* it is not to come again */
  } else {
    printf("Status: 404\n\n"); /* there is no such method */
  }
  return 0;
}
