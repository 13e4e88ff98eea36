/* tools/adapter/export.h - what the shared libraries show: the benchmark's functions and nothing else. */
#ifndef PIT_TOOLS_ADAPTER_EXPORT_H
#define PIT_TOOLS_ADAPTER_EXPORT_H

#define PIT_EXPORT __attribute__((visibility("default")))

#endif
