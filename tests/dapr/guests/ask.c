/* Asks Dapr for what its input says: requests apart by 0x1E, their words apart by 0x1F, the first names the function. Writes a line
 * "errno status size" for each, and the answer behind it. Two words are no functions of the module:
 *   hostile  offers addresses, lengths and texts that must be refused; "fine" when each was
 *   hostile-actor  the same, where an actor is called
 *   flood    the rest of the request again and again */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dapr.h"

static char input[5 << 20];
static char answer[4 << 20];

struct word {
  const char* at;
  size_t length;
};
#define W(i) words[i].at, words[i].length

static int is(struct word word, const char* text) {
  return word.length == strlen(text) && memcmp(word.at, text, word.length) == 0;
}

static enum dapr_errno ask(const struct word* words, uint32_t* status) {
  if (is(words[0], "invoke")) return dapr_invoke(W(1), W(2), W(3), W(4), W(5), status);
  if (is(words[0], "state_get")) return dapr_state_get(W(1), W(2));
  if (is(words[0], "state_save")) return dapr_state_save(W(1), W(2), W(3));
  if (is(words[0], "state_delete")) return dapr_state_delete(W(1), W(2));
  if (is(words[0], "state_transaction")) return dapr_state_transaction(W(1), W(2));
  if (is(words[0], "state_get_bulk")) return dapr_state_get_bulk(W(1), W(2));
  if (is(words[0], "publish")) return dapr_publish(W(1), W(2), W(3), W(4));
  if (is(words[0], "binding")) return dapr_binding(W(1), W(2), W(3));
  if (is(words[0], "secret")) return dapr_secret(W(1), W(2));
  if (is(words[0], "configuration_get")) return dapr_configuration_get(W(1), W(2));
  if (is(words[0], "lock")) return dapr_lock(W(1), W(2), W(3), (uint32_t)strtoul(words[4].at, NULL, 10));
  if (is(words[0], "unlock")) return dapr_unlock(W(1), W(2), W(3));
  if (is(words[0], "job_schedule")) return dapr_job_schedule(W(1), W(2));
  if (is(words[0], "job_delete")) return dapr_job_delete(W(1));
  if (is(words[0], "actor_state_get")) return dapr_actor_state_get(W(1));
  if (is(words[0], "actor_state_change")) return dapr_actor_state_change(W(1));
  if (is(words[0], "actor_reminder")) return dapr_actor_reminder(W(1), W(2));
  if (is(words[0], "actor_timer")) return dapr_actor_timer(W(1), W(2));
  /* An actor asks an actor (which may be itself) to read its state "seen". */
  static const char seen[] = "actor_state_get\x1fseen";
  if (is(words[0], "back")) return dapr_actor_invoke(W(1), W(2), "ask", 3, "", 0, seen, sizeof seen - 1);
  if (is(words[0], "actor_invoke")) return dapr_actor_invoke(W(1), W(2), W(3), W(4), W(5));
  abort();
}

static void wants(enum dapr_errno got, enum dapr_errno wanted, int line) {
  if (got != wanted) {
    fprintf(stderr, "line %d: %d, not %d\n", line, (int)got, (int)wanted);
    exit(1);
  }
}
#define REFUSED(call) wants(call, DAPR_INVALID, __LINE__)
#define END ((const char*)(__builtin_wasm_memory_size(0) * 65536))

static void hostile(void) {
  static uint32_t status;
  const size_t all = (size_t)-1;
  REFUSED(dapr_state_get(END - 2, 5, "key", 3));
  REFUSED(dapr_state_get("store", 5, END, 1));
  REFUSED(dapr_state_get("store", all, "key", 3));
  REFUSED(dapr_state_get((const char*)all, all, (const char*)all, all));
  REFUSED(dapr_state_save("store", 5, "granted-1", 9, END - 1, 2));
  REFUSED(dapr_state_save("store", 5, "granted-1", 9, "1", all));
  REFUSED(dapr_publish("broker", 6, "granted", 7, END, 9, "x", 1));
  REFUSED(dapr_publish("broker", 6, "granted", 7, "", 0, (const void*)all, 1));
  REFUSED(dapr_invoke("shop", 4, "echo", 4, "POST", 4, "", 0, "", 0, (uint32_t*)(END - 3)));
  REFUSED(dapr_invoke("shop", 4, "echo", 4, "POST", 4, "", 0, "", 0, (uint32_t*)all));
  REFUSED(dapr_invoke("shop", 4, "echo", 4, "POST", all, "", 0, "", 0, &status));
  REFUSED(dapr_invoke("shop", 4, "echo", 4, "POST", 4, "", 0, END, 1, &status));
  REFUSED(dapr_answer_read(0, answer, 1));
  REFUSED(dapr_answer_read(all, answer, all));
  REFUSED(dapr_answer_read(0, (void*)(END - 1), 2));
  REFUSED(dapr_answer_read(1, answer, 0));
  static const char* const bad[] = {"",           ".",          "..",        "granted-../x", "granted-%2f", "granted-%2e%2e", "granted-||x",
                                    "granted-\n", "granted- x", "granted-#", "granted-?a=b", "granted-/x",  "../metadata",    "granted-\xff",
                                    "granted-*",  "granted-;",  "granted-\\"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; ++i) {
    REFUSED(dapr_state_get("store", 5, bad[i], strlen(bad[i])));
    REFUSED(dapr_state_save("store", 5, bad[i], strlen(bad[i]), "1", 1));
    REFUSED(dapr_state_delete("store", 5, bad[i], strlen(bad[i])));
    REFUSED(dapr_secret("vault", 5, bad[i], strlen(bad[i])));
    REFUSED(dapr_state_get(bad[i], strlen(bad[i]), "granted-1", 9));
    REFUSED(dapr_actor_state_get(bad[i], strlen(bad[i])));
    REFUSED(dapr_actor_reminder(bad[i], strlen(bad[i]), "{}", 2));
    REFUSED(dapr_actor_invoke("Counter", 7, bad[i], strlen(bad[i]), "get", 3, "", 0, "", 0));
    REFUSED(dapr_actor_invoke("Counter", 7, "apples", 6, bad[i], strlen(bad[i]), "", 0, "", 0));
    REFUSED(dapr_actor_invoke(bad[i], strlen(bad[i]), "apples", 6, "get", 3, "", 0, "", 0));
    REFUSED(dapr_binding("files", 5, bad[i], strlen(bad[i]), "1", 1));
    char text[128];
    int length = snprintf(text, sizeof text, "[{\"operation\":\"delete\",\"request\":{\"key\":\"%s\"}}]", bad[i]);
    REFUSED(dapr_state_transaction("store", 5, text, (size_t)length));
    length = snprintf(text, sizeof text, "[\"granted-1\",\"%s\"]", bad[i]);
    REFUSED(dapr_state_get_bulk("store", 5, text, (size_t)length));
    REFUSED(dapr_state_transaction(bad[i], strlen(bad[i]), "[{\"operation\":\"delete\",\"request\":{\"key\":\"granted-1\"}}]", 54));
    REFUSED(dapr_state_get_bulk(bad[i], strlen(bad[i]), "[\"granted-1\"]", 13));
    REFUSED(dapr_configuration_get("settings", 8, bad[i], strlen(bad[i])));
    REFUSED(dapr_configuration_get(bad[i], strlen(bad[i]), "granted-1", 9));
    REFUSED(dapr_lock("locks", 5, bad[i], strlen(bad[i]), "me", 2, 60));
    REFUSED(dapr_lock("locks", 5, "granted-1", 9, bad[i], strlen(bad[i]), 60));
    REFUSED(dapr_unlock("locks", 5, bad[i], strlen(bad[i]), "me", 2));
    REFUSED(dapr_unlock("locks", 5, "granted-1", 9, bad[i], strlen(bad[i])));
    REFUSED(dapr_job_schedule(bad[i], strlen(bad[i]), "{\"dueTime\":\"1h\"}", 16));
    REFUSED(dapr_job_delete(bad[i], strlen(bad[i])));
  }
  REFUSED(dapr_lock("locks", 5, "granted-1", 9, "me", 2, 0));
  REFUSED(dapr_lock("locks", 5, "granted-1", 9, "me", 2, 86401));
  REFUSED(dapr_lock("locks", 5, "granted-1", 9, "me", 2, (uint32_t)-1));
  REFUSED(dapr_lock("locks", 5, "granted-1", 9, END - 1, 2, 60));
  static const char* const jobs[] = {"", "{}", "[]", "{\"dueTime\":1}", "{\"dueTime\":\"1h\",\"name\":\"other\"}", "{\"dueTime\":\"1h\",\"repeats\":-1}",
                                     "{\"dueTime\":\"1h\",\"dueTime\":\"1s\"}", "{\"dueTime\":\"1h\",\"failurePolicy\":{\"drop\":{\"x\":1}}}"};
  for (size_t i = 0; i < sizeof jobs / sizeof *jobs; ++i) {
    REFUSED(dapr_job_schedule("granted-1", 9, jobs[i], strlen(jobs[i])));
  }
  REFUSED(dapr_state_transaction("store", 5, END - 1, 2));
  REFUSED(dapr_state_transaction("store", 5, (const void*)all, all));
  REFUSED(dapr_state_get_bulk("store", 5, END - 1, 2));
  REFUSED(dapr_job_schedule("granted-1", 9, END - 1, 2));
  REFUSED(dapr_job_schedule("granted-1", 9, (const void*)all, 1));
  static const char* const methods[] = {"../../shutdown", "/v1.0/shutdown", "echo/..", "echo//x", "echo/%2e%2e/x", "echo#", "echo?a b", "echo?\r\nx: y"};
  for (size_t i = 0; i < sizeof methods / sizeof *methods; ++i) {
    REFUSED(dapr_invoke("shop", 4, methods[i], strlen(methods[i]), "POST", 4, "", 0, "", 0, &status));
    REFUSED(dapr_publish("broker", 6, methods[i], strlen(methods[i]), "", 0, "x", 1));
  }
  REFUSED(dapr_invoke("shop", 4, "echo", 4, "CONNECT", 7, "", 0, "", 0, &status));
  REFUSED(dapr_invoke("http://x", 8, "echo", 4, "POST", 4, "", 0, "", 0, &status));
  REFUSED(dapr_publish("broker", 6, "granted", 7, "a\r\nx: y", 7, "x", 1));
  REFUSED(dapr_state_save("store", 5, "granted-1", 9, "{no json", 8));
  REFUSED(dapr_state_save("store", 5, "granted-1", 9, "", 0));
  REFUSED(dapr_state_save("store", 5, "granted-1", 9, "1,2", 3));
  static char large[(4 << 20) + 1];
  wants(dapr_publish("broker", 6, "granted", 7, "", 0, large, sizeof large), DAPR_TOO_LARGE, __LINE__);
  wants(dapr_state_transaction("store", 5, large, sizeof large), DAPR_TOO_LARGE, __LINE__);
  puts("fine");
}

/* As an actor, whose own state needs no grant. */
static void hostile_actor(void) {
  const size_t all = (size_t)-1;
  REFUSED(dapr_actor_state_get(END - 2, 5));
  REFUSED(dapr_actor_state_get("key", all));
  REFUSED(dapr_actor_state_change(END - 1, 2));
  REFUSED(dapr_actor_state_change((const void*)all, all));
  REFUSED(dapr_actor_state_change("", 0));
  REFUSED(dapr_actor_reminder("r", 1, END - 1, 2));
  REFUSED(dapr_actor_reminder("r", 1, (const void*)all, 0));
  REFUSED(dapr_actor_reminder("r", all, "{}", 2));
  REFUSED(dapr_actor_timer("t", 1, "{\"callback\":\"x\"}", 16));
  REFUSED(dapr_actor_timer("t", 1, "[]", 2));
  static char large[(4 << 20) + 1];
  wants(dapr_actor_state_change(large, sizeof large), DAPR_TOO_LARGE, __LINE__);
  wants(dapr_actor_state_get("nothing", 7), DAPR_NOT_FOUND, __LINE__);
  puts("fine");
}

int main(void) {
  size_t length = fread(input, 1, sizeof input - 1, stdin);
  for (char* at = input; at < input + length;) {
    char* end = memchr(at, 0x1E, (size_t)(input + length - at));
    if (end == NULL) end = input + length;
    struct word words[8] = {{0}};
    size_t count = 0;
    for (char* from = at; count < 8; ++count) {
      char* to = memchr(from, 0x1F, (size_t)(end - from));
      words[count] = (struct word){from, (size_t)((to == NULL ? end : to) - from)};
      if (to == NULL) break;
      from = to + 1;
    }
    at = end + 1;
    if (is(words[0], "hostile-actor")) {
      hostile_actor();
      continue;
    }
    if (is(words[0], "hostile")) {
      hostile();
      continue;
    }
    uint32_t status = 0;
    if (is(words[0], "flood")) {
      for (;;) ask(words + 1, &status);
    }
    enum dapr_errno error = ask(words, &status);
    size_t size = dapr_answer_size();
    if (size > sizeof answer || dapr_answer_read(0, answer, size) != DAPR_SUCCESS) abort();
    printf("%d %u %zu\n", (int)error, (unsigned)status, size);
    fwrite(answer, 1, size, stdout);
  }
  return 0;
}
