/* tools/load_acks.c - what came back: one JSON line an acknowledgement, and the summary for people. See tools/load.h.
 */
#include <inttypes.h>
#include <string.h>

#include "tools/load.h"

static const char *load_report_name(uint8_t kind)
{
    switch ((enum pit_report_kind)kind) {
    case PIT_REPORT_ACCEPTED:
        return "accepted";
    case PIT_REPORT_TRADE:
        return "trade";
    case PIT_REPORT_RESTED:
        return "rested";
    case PIT_REPORT_CANCELLED:
        return "cancelled";
    case PIT_REPORT_REDUCED:
        return "reduced";
    case PIT_REPORT_REPLACED:
        return "replaced";
    case PIT_REPORT_REJECTED:
    case PIT_REPORT_STATE:
    case PIT_REPORT_HEARTBEAT:
    case PIT_REPORT_BYE:
    case PIT_REPORT_UNKNOWN:
    case PIT_REPORT_RESUMED:
        break;
    }
    return NULL;
}

bool pit_load_acknowledges(const struct pit_report *report)
{
    return report->sequence != 0 && load_report_name(report->kind) != NULL;
}

void pit_load_acknowledge(FILE *file, uint32_t account, const struct pit_client_symbol *symbol,
                          const struct pit_report *report)
{
    fprintf(file, "{\"report\": \"%s\", \"sequence\": %" PRIu64 ", \"number\": %" PRIu32 ", \"account\": %" PRIu32,
            load_report_name(report->kind), report->sequence, report->number, account);
    if (symbol) {
        fputs(", \"symbol\": \"", file);
        for (const char *at = symbol->name; *at; at++) {
            if (*at == '"' || *at == '\\')
                fputc('\\', file);
            fputc(*at, file);
        }
        fputc('"', file);
    }
    fprintf(file,
            ", \"request\": %" PRIu32 ", \"order_id\": %" PRIu64 ", \"client_id\": %" PRIu64
            ", \"side\": \"%s\", \"price\": %" PRId64 ", \"quantity\": %" PRIu64,
            report->request, report->order_id, report->client_id, pit_side_name((enum pit_side)report->side),
            report->price, report->quantity);
    switch ((enum pit_report_kind)report->kind) {
    case PIT_REPORT_ACCEPTED:
        fprintf(file, ", \"rests\": %s", report->rests ? "true" : "false");
        break;
    case PIT_REPORT_TRADE:
        fprintf(file, ", \"leaves\": %" PRIu64 ", \"aggressor\": %s", report->leaves,
                report->aggressor ? "true" : "false");
        break;
    case PIT_REPORT_CANCELLED:
        fprintf(file, ", \"reason\": \"%s\"", pit_reason_name((enum pit_reason)report->reason));
        break;
    case PIT_REPORT_REPLACED:
        fprintf(file, ", \"price_old\": %" PRId64 ", \"quantity_old\": %" PRIu64, report->price_old,
                report->quantity_old);
        break;
    default:
        break;
    }
    if (report->repeated)
        fprintf(file, ", \"repeated\": true, \"traded\": %" PRIu64 ", \"leaves\": %" PRIu64, report->traded,
                report->leaves);
    fputs("}\n", file);
}

static void load_print_reasons(const struct pit_load_counts *counts, FILE *file)
{
    for (uint32_t reason = 0; reason < PIT_LOAD_REASONS; reason++) {
        if (counts->reasons[reason] > 0)
            fprintf(file, "  %-22s %12" PRIu64 "\n", pit_reason_name((enum pit_reason)reason), counts->reasons[reason]);
    }
}

void pit_load_print(const struct pit_load *load, FILE *file)
{
    const struct pit_load_counts *counts = &load->counts;
    double seconds = counts->sent ? (double)(load->ended_ns - load->started_ns) / 1e9 : 0;
    struct pit_histogram_summary summary = pit_histogram_summarise(&load->histogram);
    fprintf(file,
            "sent        %12" PRIu64 "  (new %" PRIu64 ", cancel %" PRIu64 ", reduce %" PRIu64 ", replace %" PRIu64
            ") in %.2f s: %.0f orders/s\n",
            counts->sent, counts->sent_kinds[PIT_FLOW_NEW], counts->sent_kinds[PIT_FLOW_CANCEL],
            counts->sent_kinds[PIT_FLOW_REDUCE], counts->sent_kinds[PIT_FLOW_REPLACE], seconds,
            seconds > 0 ? (double)counts->answered / seconds : 0);
    fprintf(file, "answered    %12" PRIu64 "\n", counts->answered);
    fprintf(file, "accepted    %12" PRIu64 "\n", counts->accepted);
    fprintf(file, "trades      %12" PRIu64 "  (%" PRIu64 " reports of resting orders)\n", counts->trades_aggressor,
            counts->trades_resting);
    fprintf(file, "cancelled   %12" PRIu64 "\n", counts->cancelled);
    fprintf(file, "reduced     %12" PRIu64 "\n", counts->reduced);
    fprintf(file, "replaced    %12" PRIu64 "\n", counts->replaced);
    fprintf(file, "rejected    %12" PRIu64 "\n", counts->rejected);
    load_print_reasons(counts, file);
    fprintf(file, "unknown     %12" PRIu64 "\n", counts->unknown);
    if (load->options->resume)
        fprintf(file,
                "resumed     %12" PRIu64 "  (longest wait for an answer %.1f ms)\n"
                "repeated    %12" PRIu64 "\n"
                "twice       %12" PRIu64 "\n",
                counts->resumed, (double)load->longest_wait_ns / 1e6, counts->repeated, counts->doubled);
    fprintf(file, "round trip  p50 %.1f us, p90 %.1f us, p99 %.1f us, p99.9 %.1f us, max %.1f us%s\n",
            (double)summary.p50_ns / 1e3, (double)summary.p90_ns / 1e3, (double)summary.p99_ns / 1e3,
            (double)summary.p999_ns / 1e3, (double)summary.max_ns / 1e3,
            load->options->rate ? "  (from when each was due)" : "");
}
