-- Every request another customer: one line of the file given is a token, and after a blank the
-- entity tag that its customer holds, if he holds one. Requests are made once, before the load.
local requests, nth = {}, 0

function init(arguments)
  for line in io.lines(arguments[1]) do
    local token, tag = line:match("^(%S+) ?(.*)$")
    local headers = { ["Authorization"] = "Bearer " .. token, ["Accept-Encoding"] = "gzip" }
    if tag ~= "" then headers["If-None-Match"] = tag end
    requests[#requests + 1] = wrk.format("GET", nil, headers)
  end
end

function request()
  nth = nth % #requests + 1
  return requests[nth]
end

-- Times are in microseconds. Failed: connections, reads, writes, statuses over 399, time-outs.
function done(summary, latency)
  local failed = {}
  for kind, count in pairs(summary.errors) do
    failed[#failed + 1] = string.format('"%s": %d', kind, count)
  end
  io.write(string.format(
    '\n{"requests": %d, "bytes": %d, "duration": %d, "p50": %d, "p99": %d, "failed": {%s}}\n',
    summary.requests, summary.bytes, summary.duration,
    latency:percentile(50.0), latency:percentile(99.0), table.concat(failed, ", ")))
end
