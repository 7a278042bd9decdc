/* Some two milliseconds of computing, then says hello: a function whose work, and not its HTTP, is what a core is busy with. */
#include <stdint.h>
#include <unistd.h>

int main(void) {
  uint64_t state = 88172645463325252U; /* xorshift64: each step needs the one before */
  for (unsigned step = 0; step < 1000000; ++step) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
  }
  return state != 0 && write(1, "hello", 5) == 5 ? 0 : 1;
}
