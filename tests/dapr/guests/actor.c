/* An actor that does what it is asked, and answers as CGI. Methods:
 *   sleep   tells when it began and ended, in milliseconds, a fifth of a second apart
 *   rest    the same, a minute apart
 *   trap    never ends well
 *   error   200 with an error in Dapr's own words for it
 *   many    answers 201
 * and any other is not there. A reminder or timer is told on standard error, and asks to be the last. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static long long now(void) {
  struct timespec time;
  clock_gettime(CLOCK_REALTIME, &time);
  return time.tv_sec * 1000LL + time.tv_nsec / 1000000;
}

static int is_called(const char* method) {
  const char* called = getenv("DAPR_ACTOR_METHOD");
  return called != NULL && strcmp(called, method) == 0;
}

static int sleep_and_tell(unsigned milliseconds) {
  long long began = now();
  usleep(milliseconds * 1000);
  printf("Content-Type: application/json\n\n[%lld, %lld]", began, now());
  return 0;
}

int main(void) {
  if (getenv("DAPR_ACTOR_METHOD") == NULL) {
    fprintf(stderr, "recurring %s\n", getenv("DAPR_ACTOR_ID"));
    printf("Status: 200\nX-Daprremindercancel: true\n\n");
    return 0;
  }
  if (is_called("sleep")) return sleep_and_tell(200);
  if (is_called("rest")) return sleep_and_tell(60000);
  if (is_called("trap")) __builtin_trap();
  if (is_called("error")) {
    printf("X-Daprerrorresponseheader: true\nContent-Type: text/plain\n\nno more counting");
    return 0;
  }
  if (is_called("many")) {
    printf("Status: 201\nContent-Type: text/plain\n\ncreated");
    return 0;
  }
  printf("Status: 404\n\n");
  return 0;
}
