/* A library that calls back while it is loaded and unloaded (threads.c). */
extern void call_back(const char *label);

__attribute__((constructor)) static void on_load(void) { call_back("loading"); }
__attribute__((destructor)) static void on_unload(void) { call_back("unloading"); }
