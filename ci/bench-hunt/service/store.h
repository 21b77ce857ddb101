/* A table of C strings. What it gives is the caller's, to free. */
char *store_render(const char *name, int parts);
void store_remember(const char *name);
