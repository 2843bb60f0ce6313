// Made from docs/openapi.json by `npm run api`; not to be edited.

export interface paths {
    "/v1/agents": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The agents, those that have ended included. */
        get: operations["list_agents"];
        put?: never;
        /** Starts an agent. */
        post: operations["spawn_agent"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/agents/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One agent. */
        get: operations["find_agent"];
        put?: never;
        post?: never;
        /** Removes an agent that has ended, and its log. */
        delete: operations["remove_agent"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/agents/{id}/output": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * The bytes that an agent has written, as they were written.
         * @description `gantline-epoch` names the life of its process, `gantline-offset` the place of the first byte of
         *     the body. If what was asked for is no longer kept from the beginning, `gantline-gap: FROM-TO`
         *     says so (`TO` not included), and the body begins at `TO`. Nothing is ever left out inside a
         *     body: if a reader is so slow that the bytes it needs next are gone, the body breaks off. It
         *     then asks again from where it is, and learns of the gap. With `follow` the body ends when the
         *     agent does.
         */
        get: operations["read_output"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/agents/{id}/signal": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Sends a signal to an agent's process group. */
        post: operations["signal_agent"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/agents/{id}/stop": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Stops an agent: TERM, and after 10 seconds KILL to whatever is left of it. Answers at once; the
         *     events tell when it has ended.
         */
        post: operations["stop_agent"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/agents/{id}/terminal": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * A conversation between a viewer and the agent's terminal, in the messages of section 9 of the
         *     protocol. As a WebSocket a binary message is one message. On a stream of a session they travel
         *     with their lengths in the bodies of this request and its answer. An observer only watches.
         */
        get: operations["terminal"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/devices": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The paired devices, those that have yet to open their first session included. */
        get: operations["list_devices"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/devices/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Removes a device. Its sessions end at once. */
        delete: operations["revoke_device"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Everything that happens from now on, or with `Last-Event-ID` from that event on, as server-sent
         *     events whose data is an event. One named `missed` says that events were lost, and that the
         *     listener should ask for the whole state again. Every 15 seconds there is a comment.
         */
        get: operations["events"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/exec": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Runs a command without a terminal and tells what it writes, line by line: one `start`, any
         *     number of `out` and `err`, one `exit`. A caller who goes away stops nothing: the command is an
         *     agent like any other, at the path in `Location`.
         */
        post: operations["exec"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/invitations": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The invitations that still work. */
        get: operations["list_invitations"];
        put?: never;
        /** Mints an invitation. */
        post: operations["mint_invitation"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/invitations/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Withdraws an invitation. Devices that it has paired stay. */
        delete: operations["withdraw_invitation"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/machine": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The machine that answers. */
        get: operations["machine"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/machines": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * The machines that this machine's user has paired with, and this one, which comes first. It dials
         *     nobody. For the machine's own user only.
         */
        get: operations["list_machines"];
        put?: never;
        /** Pairs with a machine through its relay. A code is good for two tries. */
        post: operations["add_machine"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/machines/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One machine. */
        get: operations["find_machine"];
        put?: never;
        post?: never;
        /** Forgets a machine. It still lists this device until that is removed there. */
        delete: operations["forget_machine"];
        options?: never;
        head?: never;
        /** Calls a machine something else, for this machine's user. */
        patch: operations["rename_machine"];
        trace?: never;
    };
    "/v1/machines/{id}/{rest}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * What a machine answers to `/v1/{rest}`, with any method. A request with `upgrade: websocket` is a
         *     conversation with it.
         */
        get: operations["hand_on_get"];
        /**
         * What a machine answers to `/v1/{rest}`, with any method. A request with `upgrade: websocket` is a
         *     conversation with it.
         */
        put: operations["hand_on_put"];
        /**
         * What a machine answers to `/v1/{rest}`, with any method. A request with `upgrade: websocket` is a
         *     conversation with it.
         */
        post: operations["hand_on_post"];
        /**
         * What a machine answers to `/v1/{rest}`, with any method. A request with `upgrade: websocket` is a
         *     conversation with it.
         */
        delete: operations["hand_on_delete"];
        options?: never;
        head?: never;
        /**
         * What a machine answers to `/v1/{rest}`, with any method. A request with `upgrade: websocket` is a
         *     conversation with it.
         */
        patch: operations["hand_on_patch"];
        trace?: never;
    };
    "/v1/machines/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * The events of all machines, as server-sent events. As long as it is read, a session is kept with
         *     each of them. One named `missed` says whose state is to be asked for again.
         */
        get: operations["machine_events"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/one-time-tokens": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Mints the address by which a browser is let in once, within a minute. For the machine's own user
         *     only.
         */
        post: operations["mint_one_time_token"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/openapi.json": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** This description. */
        get: operations["openapi"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/pairing-codes": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Mints a pairing code for one device. An earlier code stops working. */
        post: operations["mint_pairing_code"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/status": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** How the node is doing, and how its relays reach it. */
        get: operations["status"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/vitals": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * What the machine and its agents use, now and every two seconds, as server-sent events. Whoever is
         *     slow is told the newest and misses what was in between. Nothing is resumed: it is always now.
         */
        get: operations["vitals"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** @description A machine that was just paired. */
        AddedMachine: {
            /** @description The machine, as it will be listed. */
            machine: components["schemas"]["MachineSummary"];
            /** @description Six words, to compare with those that the machine shows. */
            safetyNumber: string;
        };
        /** @description The machine to pair with, by a code and an address or by a link. */
        AddMachineRequest: {
            /** @description <machine id>.<relay>[:port][~pin] At most 332 bytes of UTF-8. */
            address: string;
            /** @description Eight digits, as a person typed them. At most 32 bytes of UTF-8. */
            code: string;
            /** @description What you will call it; its own name if left out. */
            name?: string;
        } | {
            /** @description The link, or what stands behind its #. At most 4096 bytes of UTF-8. */
            link: string;
            /** @description What you will call it; its own name if left out. */
            name?: string;
        };
        /** @description An agent: `GET /v1/agents/{id}`. Its environment is never read back. */
        Agent: components["schemas"]["Supervision"] & {
            /** @description Its name on its machine. */
            agentId: components["schemas"]["AgentId"];
            /** @description The program and its arguments. */
            argv: components["schemas"]["Argv"];
            /** @description When it was defined. */
            createdAt: components["schemas"]["Timestamp"];
            /** @description Where it runs. */
            cwd?: components["schemas"]["Cwd"];
            /** @description What it is to be. */
            desired?: components["schemas"]["Desired"];
            /** @description When the last process ended. */
            endedAt?: components["schemas"]["Timestamp"];
            /** @description The present or last life of its process, once there was one. Opaque; 16 hexadecimal digits. */
            epoch?: components["schemas"]["Epoch"];
            /** @description How the last process ended. Absent while one lives, and for ever when nobody saw it end. */
            exit?: components["schemas"]["ExitStatus"];
            /** @description Why its limits are not enforced here, if it has some and they are not. */
            limitsNotEnforced?: string;
            /** @description What people call it. */
            name?: components["schemas"]["Name"];
            /** @description When the next process is started, in [`AgentState::Backoff`]. */
            nextStartAt?: components["schemas"]["Timestamp"];
            /**
             * Format: int32
             * @description The process id, while there is a process.
             */
            pid?: number;
            /** @description Why nothing can be done with it or learned of it, although its process may live. */
            problem?: string;
            /** @description Why it is in this state, for people, where the state does not say it. */
            reason?: string;
            /**
             * Format: int32
             * @description How often the supervisor started it anew since a person last did.
             */
            restarts: number;
            /** @description Whether the first item of `argv` is a script for the shell. */
            shell: boolean;
            /** @description The size of its terminal. */
            size: components["schemas"]["TerminalSize"];
            /** @description What had it started. */
            source?: components["schemas"]["AgentSource"];
            /** @description When the present or last process was started. */
            startedAt?: components["schemas"]["Timestamp"];
            /** @description What it is doing. */
            state: components["schemas"]["AgentState"];
        };
        /** @description Names an agent on its machine. */
        AgentId: string;
        /**
         * @description What had an agent started.
         * @enum {string}
         */
        AgentSource: "spawn" | "exec" | "apply";
        /**
         * @description What an agent is doing.
         * @enum {string}
         */
        AgentState: "starting" | "running" | "healthy" | "unhealthy" | "backoff" | "stopping" | "exited" | "failed" | "restart_limit" | "lost";
        /** @description What an agent uses, with all that it has started. */
        AgentVitals: {
            /** @description The agent. */
            agentId: components["schemas"]["AgentId"];
            /**
             * Format: double
             * @description Processor time since the last look, in percent of one core.
             */
            cpuPercent: number;
            /**
             * Format: int64
             * @description Bytes read from disks since its processes were started, of those that still live.
             */
            diskRead: number;
            /**
             * Format: int64
             * @description Bytes written to disks, likewise.
             */
            diskWritten: number;
            /**
             * @description The last line that it wrote which is not empty: at most 200 characters, without control
             *     sequences. It is a stranger's text.
             */
            lastLine?: string;
            /**
             * Format: int64
             * @description Resident memory, in bytes. What its processes share is counted for each.
             */
            memory: number;
            /**
             * Format: int32
             * @description Its processes.
             */
            processes: number;
        };
        /** @description A machine's subdomain. */
        Alias: string;
        /** @description The program and its arguments, without NUL. */
        Argv: string[];
        /**
         * @description What carries bytes to a relay.
         * @enum {string}
         */
        Carrier: "quic" | "websocket" | "other";
        /**
         * @description A command, as [`super::SpawnRequest`] and [`super::ExecRequest`] carry it. The operating system
         *     may still refuse one that is within these bounds.
         */
        Command: {
            /** @description The program and its arguments. */
            argv: components["schemas"]["Argv"];
            /** @description Where it runs; the home directory of the node's user if left out. */
            cwd?: components["schemas"]["Cwd"];
            /** @description What is added to the node's environment. */
            env?: components["schemas"]["Env"];
            /**
             * @description Whether the first item of `argv` is a script for the user's shell instead of a program, and
             *     the others the script's `$1`, `$2` and so on. Nothing is ever joined or quoted.
             */
            shell?: boolean;
        };
        /** @description A directory; a relative one begins at the user's home directory. At most 4096 bytes of UTF-8. */
        Cwd: string;
        /** @description What an agent waits for; no agent is named twice. */
        Dependencies: components["schemas"]["Dependency"][];
        /** @description One agent that another waits for. */
        Dependency: {
            /** @description The agent that is waited for. */
            agentId: components["schemas"]["AgentId"];
            /** @description What must be true of it. */
            condition: components["schemas"]["DependencyCondition"];
        };
        /**
         * @description What must be true of an agent before those that wait for it are started.
         * @enum {string}
         */
        DependencyCondition: "started" | "healthy" | "completed";
        /**
         * @description What an agent is to be, by the will of whoever asked last. It outlives the node and the machine.
         * @enum {string}
         */
        Desired: "running" | "stopped";
        /** @description A paired device: an entry of `GET /v1/devices`. Its keys are never read back. */
        Device: {
            /** @description When it was paired. */
            createdAt: components["schemas"]["Timestamp"];
            /** @description Its name on this machine. */
            deviceId: components["schemas"]["DeviceId"];
            /** @description When it last had a session, if it ever had one. */
            lastSeen?: components["schemas"]["Timestamp"];
            /** @description What people call it. */
            name: components["schemas"]["Name"];
            /**
             * @description Whether it has yet to open its first session, without which it is removed 10 minutes after
             *     it was paired.
             */
            pending: boolean;
            /** @description What it may do. */
            role: components["schemas"]["Role"];
        };
        /** @description Names a device on one machine. */
        DeviceId: string;
        /** @description Environment variables by name. A value may refer to a secret, `@secret:NAME`. */
        Env: {
            [key: string]: string;
        };
        /** @description One life of an agent's process; opaque. */
        Epoch: string;
        /**
         * @description One event. On the stream its id is also the id of its server-sent event, by which a client
         *     resumes with `Last-Event-ID`.
         */
        Event: components["schemas"]["EventKind"] & {
            /** @description When it happened. */
            at: components["schemas"]["Timestamp"];
            /** @description Its place among all events of this machine. */
            id: components["schemas"]["EventId"];
        };
        /**
         * Format: int64
         * @description The place of an event among all of this machine.
         */
        EventId: number;
        /** @description What happened. */
        EventKind: {
            /** @description The agent. */
            agentId: components["schemas"]["AgentId"];
            /** @description How its process ended, if this says so. */
            exit?: components["schemas"]["ExitStatus"];
            /** @enum {string} */
            kind: "agent-changed";
            /** @description What it is doing now. */
            state: components["schemas"]["AgentState"];
        } | {
            /** @description The agent. */
            agentId: components["schemas"]["AgentId"];
            /** @enum {string} */
            kind: "agent-removed";
        } | {
            /** @description The device. */
            deviceId: components["schemas"]["DeviceId"];
            /** @enum {string} */
            kind: "device-paired";
            /** @description What people call it. */
            name: components["schemas"]["Name"];
            /** @description What it may do. */
            role: components["schemas"]["Role"];
        } | {
            /** @description The device. */
            deviceId: components["schemas"]["DeviceId"];
            /** @enum {string} */
            kind: "device-removed";
        } | {
            /** @description What carries it. */
            carrier: components["schemas"]["Carrier"];
            /** @description The relay. */
            host: components["schemas"]["HostName"];
            /** @enum {string} */
            kind: "link-up";
        } | {
            /** @description The relay. */
            host: components["schemas"]["HostName"];
            /** @enum {string} */
            kind: "link-down";
            /**
             * Format: int64
             * @description When the node dials next, in milliseconds from now.
             */
            retryInMs: number;
            /** @description Why, for people; it may quote the relay: show it as text. */
            why: string;
        } | {
            /** @enum {string} */
            kind: "machine-changed";
            /** @description The machine as it is now. */
            machine: components["schemas"]["MachineSummary"];
        } | {
            /** @enum {string} */
            kind: "machine-forgotten";
            /** @description The machine. */
            machineId: components["schemas"]["MachineId"];
        } | {
            /** @enum {string} */
            kind: "history-changed";
            /** @description Why nothing can be written, for people. Absent when all is well. */
            problem?: string;
            /** @description The file that a damaged history was set aside as, if this says so. */
            setAside?: string;
        } | {
            /** @enum {string} */
            kind: "other";
        };
        /** @description At most 65536 bytes of output. */
        ExecBytes: {
            text: string;
        } | {
            base64: string;
        };
        /**
         * @description One line of the answer, which is newline-delimited JSON: one `start`, any number of `out` and
         *     `err`, one `exit`. An answer that ends without `exit` broke off; the command may still run.
         */
        ExecEvent: {
            /** @description The agent that the command became. */
            agentId: components["schemas"]["AgentId"];
            /** @description When. */
            at: components["schemas"]["Timestamp"];
            /** @enum {string} */
            kind: "start";
        } | (components["schemas"]["ExecBytes"] & {
            /** @enum {string} */
            kind: "out";
        }) | (components["schemas"]["ExecBytes"] & {
            /** @enum {string} */
            kind: "err";
        }) | {
            /** @description When. */
            at: components["schemas"]["Timestamp"];
            /** @enum {string} */
            kind: "exit";
            /** @description How. Left out when nobody saw it: that is never a success. */
            status?: components["schemas"]["ExitStatus"];
        } | {
            /** @enum {string} */
            kind: "other";
        };
        /** @description Asks for one command to be run without a terminal and without standard input. */
        ExecRequest: components["schemas"]["Command"] & {
            /**
             * Format: int32
             * @description After how many milliseconds it is stopped, from 1; never if left out.
             */
            timeoutMs?: number;
        };
        /** @description How a process ended. */
        ExitStatus: {
            code: number;
        } | {
            signal: number;
        };
        /** @description How the keeping of history is doing, as `GET /v1/status` tells it. */
        HistoryStatus: {
            /**
             * Format: int64
             * @description The size of its files, in bytes.
             */
            bytes: number;
            /**
             * Format: int64
             * @description What was not noted since the node started, because nothing could be written for too long.
             */
            dropped: number;
            /** @description Why nothing can be written at the moment, for people. */
            problem?: string;
            /** @description The file that a damaged history was set aside as, if that happened since the node started. */
            setAside?: string;
        };
        /** @description A relay's domain, lower case, without port; or an IP address. At most 253 bytes of UTF-8. */
        HostName: string;
        /** @description An invitation: an entry of `GET /v1/invitations`. Its token is never read back. */
        Invitation: {
            /** @description When it was minted. */
            createdAt: components["schemas"]["Timestamp"];
            /** @description When it stops working. */
            expiresAt: components["schemas"]["Timestamp"];
            /** @description Its name on this machine. */
            invitationId: components["schemas"]["InvitationId"];
            /** @description What each device will be allowed to do. */
            role: components["schemas"]["Role"];
            /**
             * Format: int32
             * @description How many more devices it may pair.
             */
            usesLeft: number;
        };
        /**
         * Format: int64
         * @description Names an invitation on its machine.
         */
        InvitationId: number;
        /** @description A link that pairs whoever has it, shown this once. At most 4096 bytes of UTF-8. */
        InvitationLink: string;
        /** @description Asks for an invitation: `POST /v1/invitations`. */
        InvitationRequest: {
            /** @description What each device will be allowed to do. */
            role: components["schemas"]["Role"];
            /**
             * Format: int32
             * @description How many devices it may pair: 1 to 1,000.
             */
            uses: number;
            /**
             * Format: int32
             * @description For how many milliseconds it works: 1 second to 30 days.
             */
            validForMs: number;
        };
        /** @description What is looked for in a line of output, without line breaks. At most 1024 bytes of UTF-8. */
        LineText: string;
        /**
         * @description Whether a link is up.
         * @enum {string}
         */
        LinkState: "connecting" | "up" | "down" | "refused" | "other";
        /** @description How the link to one relay is doing. */
        LinkStatus: {
            /** @description What carries it, while it is up. */
            carrier?: components["schemas"]["Carrier"];
            /** @description The relay. */
            host: components["schemas"]["HostName"];
            /** @description Why it last failed or ended, for people; it may quote the relay: show it as text. */
            lastError?: string;
            /** @description When that was. */
            lastErrorAt?: components["schemas"]["Timestamp"];
            /** @description When the node dials next, while the link is down. */
            nextTryAt?: components["schemas"]["Timestamp"];
            /**
             * Format: int64
             * @description The round trip to the relay in microseconds, while it is up and once it was measured.
             */
            rttUs?: number;
            /** @description Since when it is so. */
            since: components["schemas"]["Timestamp"];
            /** @description Whether it is up. */
            state: components["schemas"]["LinkState"];
        };
        /** @description The machine that answers: `GET /v1/machine`. */
        Machine: {
            /** @description Its friendly name and subdomain, if it has one. */
            alias?: components["schemas"]["Alias"];
            /** @description The processor architecture, as Rust names it: `x86_64`, `aarch64`. */
            arch: string;
            /** @description Its name for ever. */
            machineId: components["schemas"]["MachineId"];
            /** @description What people call it. */
            name: components["schemas"]["Name"];
            /** @description The operating system, as Rust names it: `linux`, `macos`, `windows`. */
            os: string;
            /** @description What the device that asks may do here. */
            role: components["schemas"]["Role"];
            /** @description When the node was started; agents may be older. */
            startedAt: components["schemas"]["Timestamp"];
            /** @description The node's software version. */
            version: string;
        };
        /** @description An event of one of many machines, on the stream `GET /v1/machines/events`. */
        MachineEvent: {
            /** @description What happened there. Its id counts on that machine alone. */
            event: components["schemas"]["Event"];
            /** @description Whose it is. */
            machineId: components["schemas"]["MachineId"];
        };
        /** @description Events were lost, on the stream `GET /v1/machines/events`: the data of an event named `missed`. */
        MachineEventsMissed: {
            /** @description Whose state is to be asked for again, as a whole; of every machine if left out. */
            machineId?: components["schemas"]["MachineId"];
        };
        /** @description Names a machine for ever. */
        MachineId: string;
        /** @description What runs on a machine. Hostile text: the machine says it. */
        MachineSoftware: {
            /** @description The processor architecture, as Rust names it. */
            arch: string;
            /** @description The operating system, as Rust names it. */
            os: string;
            /** @description The node's software version. */
            version: string;
        };
        /** @description A machine that a gateway knows: an entry of `GET /v1/machines`. The gateway's own machine is one. */
        MachineSummary: components["schemas"]["Reach"] & {
            /** @description Its friendly name, if it has one; as the machine said when it was last reached. */
            alias?: components["schemas"]["Alias"];
            /** @description Whether it is the gateway's own machine, which is always there and can't be forgotten. */
            isLocal?: boolean;
            /** @description Its name for ever. */
            machineId: components["schemas"]["MachineId"];
            /** @description What this gateway's user calls it. */
            name: components["schemas"]["Name"];
            /** @description When it was paired; the gateway's own machine never was. */
            pairedAt?: components["schemas"]["Timestamp"];
            /** @description The relays that lead there. */
            relays?: components["schemas"]["RelayAddress"][];
            /** @description What this gateway's user may do there. */
            role: components["schemas"]["Role"];
            /** @description What it said of itself when it was last reached since the gateway was started. */
            software?: components["schemas"]["MachineSoftware"];
        };
        /** @description What a machine uses. */
        MachineVitals: {
            /**
             * Format: int32
             * @description Processor cores.
             */
            cores: number;
            /**
             * Format: double
             * @description Processor time since the last look, in percent of one core: 200 is two cores at work.
             */
            cpuPercent: number;
            /**
             * Format: int64
             * @description All memory, in bytes.
             */
            memoryTotal: number;
            /**
             * Format: int64
             * @description Memory in use, in bytes: what is neither free nor could be freed at once.
             */
            memoryUsed: number;
            /**
             * Format: int32
             * @description Processes.
             */
            processes: number;
        };
        /** @description A pairing code, just minted. */
        MintedCode: {
            /** @description What to type on the device. */
            code: components["schemas"]["PairingCode"];
            /** @description When the code stops working, unless it is burnt before. */
            expiresAt: components["schemas"]["Timestamp"];
            /** @description What the device will be allowed to do. */
            role: components["schemas"]["Role"];
        };
        /** @description An invitation, just minted. */
        MintedInvitation: components["schemas"]["Invitation"] & {
            /** @description What to give to the invited, shown this once. */
            link: components["schemas"]["InvitationLink"];
        };
        /** @description A name for people, without control or invisible characters. At most 64 bytes of UTF-8. */
        Name: string;
        /**
         * Format: int64
         * @description Bytes of output since the epoch began.
         */
        Offset: number;
        /** @description Lets one page of the machine's own user in, once: `POST /v1/one-time-tokens`. */
        OneTimeToken: {
            /** @description When it stops working. */
            expiresAt: components["schemas"]["Timestamp"];
            /**
             * @description The address of the page with the token in its fragment: a secret for its user's browser. The
             *     page takes the fragment away at once, and sends the token to `POST /v1/page-token`.
             */
            url: components["schemas"]["InvitationLink"];
        };
        /**
         * @description Where a page is, and so whom it trusts for its code: `GET /v1/place`, at a node's 127.0.0.1 and
         *     at a relay, without a credential. The answer depends on the host that was asked alone: a
         *     relay says the same of a machine that it knows and of one that it does not.
         */
        PagePlace: {
            /** @enum {string} */
            servedBy: "node";
            /** @description The node's software version. */
            version: string;
        } | {
            /** @description The relay's name under which the page was asked for. */
            domain: components["schemas"]["HostName"];
            /**
             * @description The one machine that the page is confined to; at the relay's own host there is none, and
             *     the page is the one of all machines.
             */
            machineId?: components["schemas"]["MachineId"];
            /** @description Who operates the relay, in their own words, if they say so: show it as text. */
            operator?: string;
            /** @enum {string} */
            servedBy: "relay";
            /** @description The relay's software version. */
            version: string;
        } | {
            /** @enum {string} */
            servedBy: "other";
        };
        /** @description The token of the API for this start of the node, for a page to keep as long as its tab is open. */
        PageToken: {
            /**
             * @description What stands behind `Bearer ` in `authorization`, and behind `gantline.bearer.` among the
             *     subprotocols of a WebSocket.
             */
            token: string;
        };
        /**
         * @description Trades a one-time token for the token of the API: `POST /v1/page-token`, on 127.0.0.1 only,
         *     without any other credential.
         */
        PageTokenRequest: {
            /** @description What stood behind `#once=` in the address. */
            oneTimeToken: string;
        };
        /** @description Eight digits; spaces and hyphens between them are ignored. */
        PairingCode: string;
        /** @description Asks for a pairing code. */
        PairingCodeRequest: {
            /** @description What the device will be allowed to do. */
            role: components["schemas"]["Role"];
        };
        /**
         * @description How a client reaches a node.
         * @enum {string}
         */
        PathKind: "loopback" | "lan" | "relay";
        /** @description A check that is made again and again while an agent's process lives. */
        Probe: components["schemas"]["ProbeCheck"] & components["schemas"]["ProbePace"];
        /** @description What is checked. */
        ProbeCheck: {
            /** @enum {string} */
            kind: "tcp";
            /**
             * Format: int32
             * @description The port.
             */
            port: number;
        } | {
            /** @enum {string} */
            kind: "http";
            /** @description Path and query, beginning with `/`; `/` if left out. */
            path?: components["schemas"]["ProbePath"];
            /**
             * Format: int32
             * @description The port.
             */
            port: number;
        } | {
            /** @description The program and its arguments. */
            argv: components["schemas"]["Argv"];
            /** @enum {string} */
            kind: "exec";
        } | {
            /** @enum {string} */
            kind: "line";
            /**
             * @description What the line has in it: 1 to 1,024 bytes, taken literally, looked for in the output
             *     without its control sequences.
             */
            text: components["schemas"]["LineText"];
        };
        /** @description When a probe is made, and how many results in a row count. */
        ProbePace: {
            /**
             * Format: int32
             * @description Failures in a row until it is unhealthy, 1 to 100; 3 if left out.
             * @default 3
             */
            failures?: number;
            /**
             * Format: int32
             * @description Between the end of one check and the next, 100 to 3,600,000 ms; 5,000 if left out.
             * @default 5000
             */
            intervalMs?: number;
            /**
             * @description Whether an agent that is unhealthy is stopped and started anew; it counts as a failure of its
             *     process. `false` if left out.
             * @default false
             */
            restarts?: boolean;
            /**
             * Format: int32
             * @description How long failures do not count after a start, at most 3,600,000 ms; 0 if left out. The first
             *     success ends it.
             * @default 0
             */
            startPeriodMs?: number;
            /**
             * Format: int32
             * @description Successes in a row until it is healthy, 1 to 100; 1 if left out.
             * @default 1
             */
            successes?: number;
            /**
             * Format: int32
             * @description How long one check may take, 10 to 600,000 ms; 2,000 if left out.
             * @default 2000
             */
            timeoutMs?: number;
        };
        /** @description Path and query of a check by HTTP. */
        ProbePath: string;
        /** @description The body of every answer with a status from 400. */
        Problem: {
            /** @description What a program can act on. */
            code: components["schemas"]["ProblemCode"];
            /** @description For people: what, why, what next. It may quote what a stranger sent; show it as text. */
            detail?: string;
            /** @description The path of the resource in question. */
            instance?: string;
            /**
             * Format: int32
             * @description The status code, 400 to 599.
             */
            status: number;
            /** @description The status in words (RFC 9110 section 15). */
            title: string;
            /** @description A URI for the kind of problem. Always `about:blank` in version 1: `code` says more. */
            type?: string;
        };
        /**
         * @description What went wrong, by what a program can do about it.
         * @enum {string}
         */
        ProblemCode: "invalid-request" | "unauthenticated" | "role-forbids" | "policy-forbids" | "not-found" | "method-not-allowed" | "conflict" | "too-large" | "idempotency-mismatch" | "rate" | "internal" | "unreachable" | "unavailable" | "timed-out" | "other";
        /** @description Whether and how a gateway reaches a machine. */
        Reach: {
            /** @description When a session was last open. */
            lastSeen?: components["schemas"]["Timestamp"];
            /** @enum {string} */
            state: "idle";
        } | {
            /** @enum {string} */
            state: "connecting";
        } | {
            /** @description What carries it to that relay. */
            carrier?: components["schemas"]["Carrier"];
            /** @description The path it takes. */
            path: components["schemas"]["PathKind"];
            /** @description The relay that it goes through, if it does. */
            relay?: components["schemas"]["HostName"];
            /**
             * Format: int64
             * @description The round-trip time in microseconds, once measured; not of the gateway's own machine.
             */
            rttUs?: number;
            /** @description Since when it is open. */
            since?: components["schemas"]["Timestamp"];
            /** @enum {string} */
            state: "connected";
        } | {
            /** @description When a session was last open. */
            lastSeen?: components["schemas"]["Timestamp"];
            /** @description When the gateway tries again by itself, if it does. */
            nextTryAt?: components["schemas"]["Timestamp"];
            /** @enum {string} */
            state: "offline";
            /**
             * @description What became of each path, for people: what, why, what next. It may quote a stranger:
             *     show it as text.
             */
            why?: string;
        } | {
            /** @enum {string} */
            state: "revoked";
        } | {
            /** @enum {string} */
            state: "other";
        };
        /** @description A relay as it is dialled: host[:port][~pin]. At most 305 bytes of UTF-8. */
        RelayAddress: string;
        /** @description Renames a machine for this gateway's user: `PATCH /v1/machines/{id}`. */
        RenameMachineRequest: {
            /** @description What its user will call it. */
            name: components["schemas"]["Name"];
        };
        /**
         * @description What an agent may use, with all that it starts. Enforced by cgroup v2 where this user may; an
         *     agent says whether it is.
         */
        ResourceLimits: {
            /**
             * Format: int32
             * @description Processor time in percent of one core, 1 to 102,400.
             */
            cpuPercent?: number;
            /**
             * Format: int32
             * @description Memory in MiB, 1 to 16,777,216.
             */
            memoryMb?: number;
            /**
             * Format: int32
             * @description Processes and threads, 1 to 4,194,304.
             */
            pids?: number;
        };
        /**
         * @description When a process that ended by itself is started again. A stop that a person asked for is final
         *     under each.
         * @enum {string}
         */
        RestartPolicy: "no" | "on-failure" | "always";
        /**
         * @description What a device may do on one machine. Ordered: each role may do all that the one before may.
         * @enum {string}
         */
        Role: "observer" | "operator" | "owner";
        /**
         * @description A signal (POSIX) by its name, since its number differs between systems.
         * @enum {string}
         */
        Signal: "HUP" | "INT" | "QUIT" | "KILL" | "USR1" | "USR2" | "TERM" | "CONT" | "STOP" | "TSTP" | "WINCH";
        /** @description Asks for a signal: `POST /v1/agents/{id}/signal`. */
        SignalRequest: {
            /** @description Which one. It goes to the whole process group. */
            signal: components["schemas"]["Signal"];
        };
        /** @description Asks for a new agent: `POST /v1/agents`. */
        SpawnRequest: components["schemas"]["Command"] & components["schemas"]["Supervision"] & {
            /**
             * Format: int32
             * @description How much of its output is kept in files beyond that, in MiB; 128 if left out.
             */
            logMb?: number;
            /** @description What people call it. */
            name?: components["schemas"]["Name"];
            /**
             * Format: int32
             * @description How much of its output is kept in memory, in KiB; 4,096 if left out.
             */
            scrollbackKb?: number;
            /** @description The size of its terminal until a driver decides; [`TerminalSize::STANDARD`] if left out. */
            size?: components["schemas"]["TerminalSize"];
        };
        /** @description How a node is doing. */
        Status: {
            /** @description How the keeping of history is doing. */
            history?: components["schemas"]["HistoryStatus"];
            /** @description Its links, one for each relay. */
            links: components["schemas"]["LinkStatus"][];
            /** @description Where its own page and API are on this machine, as `address:port`, if they are open. */
            loopback?: string;
            /**
             * Format: int64
             * @description For how long it has run, in milliseconds.
             */
            uptimeMs: number;
            /** @description The node's software version. */
            version: string;
        };
        /**
         * @description How an agent is stopped: a signal to its process group, and KILL to whatever is left of its
         *     whole tree after the grace.
         */
        StopPlan: {
            /**
             * Format: int32
             * @description How long it may take to end, in milliseconds; 10,000 if left out.
             * @default 10000
             */
            graceMs?: number;
            /**
             * @description HUP, INT, QUIT, TERM or KILL; TERM if left out.
             * @default TERM
             */
            signal?: components["schemas"]["StopSignal"];
        };
        /**
         * @description A signal that asks a process to end.
         * @enum {string}
         */
        StopSignal: "HUP" | "INT" | "QUIT" | "TERM" | "KILL";
        /** @description Exit codes that count as success. */
        SuccessCodes: number[];
        /**
         * @description How an agent is looked after, as [`super::SpawnRequest`] and [`super::Agent`] carry it beside
         *     their other members. What is left out has the defaults of a command that is run once.
         */
        Supervision: {
            /**
             * @description What must be true of other agents of this machine before it is started.
             * @default []
             */
            dependsOn?: components["schemas"]["Dependencies"];
            /**
             * @description What it may use, with all that it starts.
             * @default {}
             */
            limits?: components["schemas"]["ResourceLimits"];
            /**
             * @description What tells whether it is well; nothing does if left out.
             * @default null
             */
            probe?: components["schemas"]["Probe"];
            /**
             * @description When its process is started again after it ended by itself.
             * @default no
             */
            restart?: components["schemas"]["RestartPolicy"];
            /**
             * @description How it is stopped.
             * @default {
             *       "graceMs": 10000,
             *       "signal": "TERM"
             *     }
             */
            stop?: components["schemas"]["StopPlan"];
            /**
             * @description Exit codes that count as success.
             * @default [
             *       0
             *     ]
             */
            successCodes?: components["schemas"]["SuccessCodes"];
        };
        /** @description A terminal's size in character cells. */
        TerminalSize: {
            cols: number;
            rows: number;
        };
        /**
         * Format: int64
         * @description Milliseconds since 1970-01-01T00:00:00Z.
         */
        Timestamp: number;
        /** @description One look at everything: an event of `GET /v1/vitals`, every 2 s while somebody listens. */
        Vitals: {
            /** @description The agents whose processes live. */
            agents: components["schemas"]["AgentVitals"][];
            /** @description When this was. */
            at: components["schemas"]["Timestamp"];
            /** @description The whole machine. */
            machine: components["schemas"]["MachineVitals"];
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    list_agents: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The agents. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Agent"][];
                };
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    spawn_agent: {
        parameters: {
            query?: never;
            header?: {
                /** @description Drawn by the client for this request: sent again with the same key, it acts once. */
                "Idempotency-Key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SpawnRequest"];
            };
        };
        responses: {
            /** @description The agent. */
            201: {
                headers: {
                    /** @description Its path. */
                    Location?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Agent"];
                };
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    find_agent: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The agent. */
                id: components["schemas"]["AgentId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The agent. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Agent"];
                };
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    remove_agent: {
        parameters: {
            query?: never;
            header?: {
                /** @description Drawn by the client for this request: sent again with the same key, it acts once. */
                "Idempotency-Key"?: string;
            };
            path: {
                /** @description The agent. */
                id: components["schemas"]["AgentId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is removed. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    read_output: {
        parameters: {
            query?: {
                /** @description The life of the process that `from` and `to` are about; needed with either. */
                epoch?: components["schemas"]["Epoch"];
                /** @description Whether to go on with what the agent will write. */
                follow?: boolean;
                /** @description Where to begin; at the first byte if left out. */
                from?: components["schemas"]["Offset"];
                /**
                 * @description Where to end, itself not included; at what there is now if left out, or with `follow` when
                 *     the agent ends.
                 */
                to?: components["schemas"]["Offset"];
            };
            header?: never;
            path: {
                /** @description The agent. */
                id: components["schemas"]["AgentId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The bytes. */
            200: {
                headers: {
                    /** @description The life of the process. */
                    "gantline-epoch"?: string;
                    /** @description What is gone, as FROM-TO. */
                    "gantline-gap"?: string;
                    /** @description The place of the first byte. */
                    "gantline-offset"?: number;
                    [name: string]: unknown;
                };
                content: {
                    "application/octet-stream": number[];
                };
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    signal_agent: {
        parameters: {
            query?: never;
            header?: {
                /** @description Drawn by the client for this request: sent again with the same key, it acts once. */
                "Idempotency-Key"?: string;
            };
            path: {
                /** @description The agent. */
                id: components["schemas"]["AgentId"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SignalRequest"];
            };
        };
        responses: {
            /** @description It is sent. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Agent"];
                };
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    stop_agent: {
        parameters: {
            query?: never;
            header?: {
                /** @description Drawn by the client for this request: sent again with the same key, it acts once. */
                "Idempotency-Key"?: string;
            };
            path: {
                /** @description The agent. */
                id: components["schemas"]["AgentId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is told to stop. */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Agent"];
                };
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    terminal: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The agent. */
                id: components["schemas"]["AgentId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The WebSocket is open. */
            101: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description The stream is open. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/octet-stream": number[];
                };
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    list_devices: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The devices. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Device"][];
                };
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    revoke_device: {
        parameters: {
            query?: never;
            header?: {
                /** @description Drawn by the client for this request: sent again with the same key, it acts once. */
                "Idempotency-Key"?: string;
            };
            path: {
                /** @description The device. */
                id: components["schemas"]["DeviceId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is removed. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    events: {
        parameters: {
            query?: never;
            header?: {
                /** @description The last event that was heard. */
                "Last-Event-ID"?: number;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The events, without end. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": components["schemas"]["Event"];
                };
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    exec: {
        parameters: {
            query?: never;
            header?: {
                /** @description Drawn by the client for this request: sent again with the same key, it acts once. */
                "Idempotency-Key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ExecRequest"];
            };
        };
        responses: {
            /** @description What happens, one event on each line. */
            200: {
                headers: {
                    /** @description The path of the agent. */
                    Location?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/x-ndjson": components["schemas"]["ExecEvent"];
                };
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    list_invitations: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The invitations. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Invitation"][];
                };
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    mint_invitation: {
        parameters: {
            query?: never;
            header?: {
                /** @description Drawn by the client for this request: sent again with the same key, it acts once. */
                "Idempotency-Key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["InvitationRequest"];
            };
        };
        responses: {
            /** @description The invitation, with its link, which is shown this once. */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["MintedInvitation"];
                };
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    withdraw_invitation: {
        parameters: {
            query?: never;
            header?: {
                /** @description Drawn by the client for this request: sent again with the same key, it acts once. */
                "Idempotency-Key"?: string;
            };
            path: {
                /** @description The invitation. */
                id: components["schemas"]["InvitationId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is withdrawn. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    machine: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The machine. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Machine"];
                };
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    list_machines: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The machines. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["MachineSummary"][];
                };
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    add_machine: {
        parameters: {
            query?: never;
            header?: {
                /** @description Drawn by the client for this request: sent again with the same key, it acts once. */
                "Idempotency-Key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["AddMachineRequest"];
            };
        };
        responses: {
            /** @description It is paired. */
            201: {
                headers: {
                    /** @description The machine's path. */
                    location?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AddedMachine"];
                };
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    find_machine: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The machine. */
                id: components["schemas"]["MachineId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The machine. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["MachineSummary"];
                };
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    forget_machine: {
        parameters: {
            query?: never;
            header?: {
                /** @description Drawn by the client for this request: sent again with the same key, it acts once. */
                "Idempotency-Key"?: string;
            };
            path: {
                /** @description The machine. */
                id: components["schemas"]["MachineId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is forgotten. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    rename_machine: {
        parameters: {
            query?: never;
            header?: {
                /** @description Drawn by the client for this request: sent again with the same key, it acts once. */
                "Idempotency-Key"?: string;
            };
            path: {
                /** @description The machine. */
                id: components["schemas"]["MachineId"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["RenameMachineRequest"];
            };
        };
        responses: {
            /** @description The machine. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["MachineSummary"];
                };
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    hand_on_get: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The machine. */
                id: components["schemas"]["MachineId"];
                /** @description A path of that machine, below `/v1/`. */
                rest: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The WebSocket is open. */
            101: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description What the machine answers. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": unknown;
                };
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    hand_on_put: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The machine. */
                id: components["schemas"]["MachineId"];
                /** @description A path of that machine, below `/v1/`. */
                rest: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The WebSocket is open. */
            101: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description What the machine answers. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": unknown;
                };
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    hand_on_post: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The machine. */
                id: components["schemas"]["MachineId"];
                /** @description A path of that machine, below `/v1/`. */
                rest: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The WebSocket is open. */
            101: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description What the machine answers. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": unknown;
                };
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    hand_on_delete: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The machine. */
                id: components["schemas"]["MachineId"];
                /** @description A path of that machine, below `/v1/`. */
                rest: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The WebSocket is open. */
            101: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description What the machine answers. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": unknown;
                };
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    hand_on_patch: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The machine. */
                id: components["schemas"]["MachineId"];
                /** @description A path of that machine, below `/v1/`. */
                rest: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The WebSocket is open. */
            101: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description What the machine answers. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": unknown;
                };
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    machine_events: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The events, without end. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": components["schemas"]["MachineEvent"];
                };
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    mint_one_time_token: {
        parameters: {
            query?: never;
            header?: {
                /** @description Drawn by the client for this request: sent again with the same key, it acts once. */
                "Idempotency-Key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The page's address. */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OneTimeToken"];
                };
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    openapi: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The OpenAPI document. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": unknown;
                };
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    mint_pairing_code: {
        parameters: {
            query?: never;
            header?: {
                /** @description Drawn by the client for this request: sent again with the same key, it acts once. */
                "Idempotency-Key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["PairingCodeRequest"];
            };
        };
        responses: {
            /** @description The code, shown this once. */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["MintedCode"];
                };
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    status: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The status. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Status"];
                };
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    vitals: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One look after the other, without end. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": components["schemas"]["Vitals"];
                };
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
}
