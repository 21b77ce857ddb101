// What odr.cpp with -DORDER reads before it is initialized.
int compute() { return 42; }
int late = compute();
