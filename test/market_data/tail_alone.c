/* The tail command alone, so that its tests need nothing else of the pitline command. */
#include "tools/tools.h"

int main(int argc, char **argv)
{
    return pit_tool_tail(argc, argv);
}
