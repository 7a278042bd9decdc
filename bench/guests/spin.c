/* Never ends by itself: runs until its CPU limit. */
int main(void) {
  for (volatile unsigned turn = 0;; ++turn) {
  }
}
