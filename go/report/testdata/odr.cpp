// Half of a violation of the one definition rule; built twice, with a
// different SIZE each. Also, with -DORDER, of an initialization-order fiasco.
#ifdef ORDER
extern int late;
int early() { return late; }
int first = early();
#else
int twice_defined[SIZE] = {1};
#endif
#ifdef MAIN
int main() { return 0; }
#endif
