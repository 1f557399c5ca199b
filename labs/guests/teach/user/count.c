/*
 * Preemption, shown so that it prints the same at any speed: two processes
 * count in turn.  Each spins until the shared page says that it is its turn,
 * and never yields, so without the timer neither would get anywhere.
 */
#include "user.h"

#define COUNT_TO 10u

struct board {
    volatile uint32_t next; /* the number that is to be said now */
};

static struct board *const board = (struct board *)BOARD_VA;

static int count(uint32_t parity, const char *name)
{
    for (uint32_t n = 1; n <= COUNT_TO; n++) {
        if (n % 2 != parity) {
            continue;
        }
        while (board->next != n) {
        }
        printf("%s says %u\n", name, n);
        board->next = n + 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        return count(str_equal(argv[1], "Odd"), argv[1]);
    }
    board->next = 1;
    int odd = spawn("count", "count Odd"), even = spawn("count", "count Even");

    wait_for(odd);
    wait_for(even);
    return 0;
}
