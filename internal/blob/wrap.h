#ifndef LAKEPORT_WRAP_H
#define LAKEPORT_WRAP_H

/* lakeport_mounts counts the mounted files of the process: while it is zero no
   open asks Go, which may not even have started. */
void lakeport_mounts_add(int n);

#endif
