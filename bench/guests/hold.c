/* Sleeps five seconds, then says hello: a call that is held open. */
#include <unistd.h>

int main(void) { return sleep(5) == 0 && write(1, "hello", 5) == 5 ? 0 : 1; }
