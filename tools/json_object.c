/* tools/json_object.c - see json_object.h. */
#include "tools/json_object.h"

#include <string.h>

struct parser {
    struct pit_json_object *object;
    const char *start, *at, *end;
    const char *wrong; /* NULL so far */
};

static bool fail(struct parser *parser, const char *where, const char *wrong)
{
    if (!parser->wrong) {
        parser->wrong = wrong;
        parser->object->wrong_column = (uint32_t)(where - parser->start) + 1;
    }
    return false;
}

/* The character there; 0 at the end, which no line contains. */
static char peek(const struct parser *parser)
{
    return parser->at < parser->end ? *parser->at : 0;
}

static void skip_blanks(struct parser *parser)
{
    while (peek(parser) == ' ' || peek(parser) == '\t' || peek(parser) == '\r')
        parser->at++;
}

static bool take(struct parser *parser, char wanted)
{
    skip_blanks(parser);
    if (peek(parser) != wanted)
        return false;
    parser->at++;
    return true;
}

/* \u00xx: the writer's way to put down a byte that is not ASCII. */
static bool take_unicode(struct parser *parser, char *byte)
{
    uint32_t code = 0;
    for (int i = 0; i < 4; i++) {
        const char digit = peek(parser);
        uint32_t value;
        if (digit >= '0' && digit <= '9')
            value = (uint32_t)(digit - '0');
        else if (digit >= 'a' && digit <= 'f')
            value = (uint32_t)(digit - 'a') + 10;
        else if (digit >= 'A' && digit <= 'F')
            value = (uint32_t)(digit - 'A') + 10;
        else
            return fail(parser, parser->at, "four hexadecimal digits belong behind \\u");
        code = code << 4 | value;
        parser->at++;
    }
    if (code == 0 || code > 0xff)
        return fail(parser, parser->at - 4, "only characters from \\u0001 to \\u00ff can stand in a command");
    *byte = (char)code;
    return true;
}

static bool take_escape(struct parser *parser, char *byte)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char escape = peek(parser);
    const char *found = escape ? strchr(from, escape) : NULL;
    if (!found && escape != 'u')
        return fail(parser, parser->at, "there is no such escape in JSON");
    parser->at++;
    if (!found)
        return take_unicode(parser, byte);
    *byte = to[found - from];
    return true;
}

/* The rest of a text after its opening quote. */
static bool take_text(struct parser *parser, char *text, size_t room)
{
    const char *begun = parser->at - 1;
    size_t used = 0;
    while (peek(parser) != '"') {
        char byte = peek(parser);
        if (byte == 0)
            return fail(parser, begun, "this text has no closing quote");
        if ((unsigned char)byte < 0x20)
            return fail(parser, parser->at, "a control character does not belong into a text");
        parser->at++;
        if (byte == '\\' && !take_escape(parser, &byte))
            return false;
        if (used + 1 == room)
            return fail(parser, begun, "this text is longer than any in a command");
        text[used++] = byte;
    }
    parser->at++;
    text[used] = 0;
    return true;
}

static bool take_word(struct parser *parser, const char *word)
{
    const size_t length = strlen(word);
    if ((size_t)(parser->end - parser->at) < length || memcmp(parser->at, word, length) != 0)
        return false;
    parser->at += length;
    return true;
}

static bool take_number(struct parser *parser, struct pit_json_member *member)
{
    const char *begun = parser->at;
    member->negative = peek(parser) == '-';
    parser->at += member->negative;
    const char *digits = parser->at;
    for (; peek(parser) >= '0' && peek(parser) <= '9'; parser->at++) {
        const uint64_t digit = (uint64_t)(*parser->at - '0');
        if (member->number > (UINT64_MAX - digit) / 10)
            return fail(parser, begun, "this number has more than 64 bits");
        member->number = member->number * 10 + digit;
    }
    if (parser->at == digits || (*digits == '0' && parser->at - digits > 1))
        return fail(parser, begun, "this is not a whole number");
    if (peek(parser) == '.' || peek(parser) == 'e' || peek(parser) == 'E')
        return fail(parser, begun, "a number here is whole; prices and quantities are texts, like \"10.50\"");
    memcpy(member->text, begun, (size_t)(parser->at - begun)); /* at most 21 characters */
    return true;
}

static bool take_value(struct parser *parser, struct pit_json_member *member)
{
    skip_blanks(parser);
    const char *begun = parser->at;
    member->column = (uint32_t)(begun - parser->start) + 1;
    if (take(parser, '"')) {
        member->type = PIT_JSON_TEXT;
        return take_text(parser, member->text, sizeof member->text);
    }
    if (peek(parser) == '-' || (peek(parser) >= '0' && peek(parser) <= '9')) {
        member->type = PIT_JSON_NUMBER;
        return take_number(parser, member);
    }
    member->type = PIT_JSON_BOOL;
    member->number = take_word(parser, "true");
    strcpy(member->text, member->number ? "true" : "false");
    if (member->number || take_word(parser, "false"))
        return true;
    return fail(parser, begun, "a text, a whole number, true or false belongs here");
}

static bool take_member(struct parser *parser)
{
    struct pit_json_object *object = parser->object;
    skip_blanks(parser);
    const char *begun = parser->at;
    if (!take(parser, '"'))
        return fail(parser, begun, "a name in quotes belongs here");
    if (object->count == PIT_JSON_MEMBERS_MAX)
        return fail(parser, begun, "no command has so many fields");
    struct pit_json_member *member = &object->members[object->count];
    *member = (struct pit_json_member){0};
    if (!take_text(parser, member->name, sizeof member->name))
        return false;
    for (uint32_t i = 0; i < object->count; i++)
        if (strcmp(object->members[i].name, member->name) == 0)
            return fail(parser, begun, "this field was there before");
    object->count++;
    if (!take(parser, ':'))
        return fail(parser, parser->at, "a colon belongs behind a name");
    return take_value(parser, member);
}

const char *pit_json_object_parse(struct pit_json_object *object, const char *line, size_t bytes)
{
    struct parser parser = {.object = object, .start = line, .at = line, .end = line + bytes};
    object->count = 0;
    if (!take(&parser, '{'))
        fail(&parser, parser.at, "a line is a JSON object and begins with {");
    else if (!take(&parser, '}'))
        do {
            if (!take_member(&parser))
                break;
        } while (take(&parser, ','));
    if (!parser.wrong && object->count && !take(&parser, '}'))
        fail(&parser, parser.at, "a comma or a closing } belongs here");
    skip_blanks(&parser);
    if (!parser.wrong && parser.at != parser.end)
        fail(&parser, parser.at, "nothing belongs behind the object");
    return parser.wrong;
}
