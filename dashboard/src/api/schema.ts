// Made from docs/openapi.json by `npm run api`; not to be edited.

export interface paths {
    "/metrics": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What this machine and its agents do and use, for Prometheus, as it was measured last. */
        get: operations["read_exposition"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
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
        /** Defines an agent and has it run. Answers once its process runs; if it waits for others, at once. */
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
        /** Removes an agent that does not run, and its log. */
        delete: operations["remove_agent"];
        options?: never;
        head?: never;
        /**
         * Changes what an agent is, also while it runs: a merge patch (RFC 7396). What is left out stays,
         *     `null` takes away. Name, restart policy, success codes, stop plan, probe and dependencies count
         *     at once, the others from the next start on.
         */
        patch: operations["edit_agent"];
        trace?: never;
    };
    "/v1/agents/{id}/env/compare": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * How an environment differs from what was added to the agent's own, by names: values are never
         *     read back.
         */
        post: operations["compare_env"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/agents/{id}/metrics": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * What an agent used: for a day as it was measured, every 2 or 15 seconds, and for 30 days by the
         *     minute. Of an agent that was removed, too.
         */
        get: operations["chart_agent"];
        put?: never;
        post?: never;
        delete?: never;
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
         *     then asks again from where it is, and learns of the gap. With `follow` the body ends when that
         *     life does. Of the lives before the present one the last four are kept, if they take no more room
         *     together than one may.
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
    "/v1/agents/{id}/restart": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Stops an agent by its stop plan, if it runs, and starts it anew. Answers at once if it has to end
         *     first, else as `start` does; the events tell how it goes.
         */
        post: operations["restart_agent"];
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
    "/v1/agents/{id}/start": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Has an agent run, with what went wrong before forgotten. Answers once its process runs or can't
         *     be started, or once it is known what it waits for: `state` and `reason` tell. An agent that is
         *     being stopped is started when it has ended.
         */
        post: operations["start_agent"];
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
         * Stops an agent by its stop plan: its signal, and after its grace KILL to whatever is left of the
         *     whole tree. It is not started again by itself. Answers at once; the events tell when it has ended.
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
        /**
         * The paired devices, those that have yet to open their first session included, with the safety
         *     number of each.
         */
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
    "/v1/history": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The lives of agents, those that were noted last first. Agents that were removed are among them. */
        get: operations["list_history"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/history/{agentId}/{epoch}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One life, with all that changed in it. */
        get: operations["find_life"];
        put?: never;
        post?: never;
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
    "/v1/machine/metrics": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What the machine used, likewise. */
        get: operations["chart_machine"];
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
        /** @description Who did something. */
        Actor: components["schemas"]["Who"] & {
            /** @description The way they came, if they came by one. */
            path?: components["schemas"]["Way"];
        };
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
            /** @description When the next process is started, in `AgentState::Backoff`. */
            nextStartAt?: components["schemas"]["Timestamp"];
            /** @description The process id, while there is a process. */
            pid?: number;
            /** @description Why nothing can be done with it or learned of it, although its process may live. */
            problem?: string;
            /** @description Why it is in this state, for people, where the state does not say it. */
            reason?: string;
            /** @description How often the supervisor started it anew since a person last did. */
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
         * @description Changes what an agent is, also while it runs: `PATCH /v1/agents/{id}`, a merge patch (RFC 7396).
         *     What is left out stays, `null` takes away. Name, restart policy, success codes, stop plan, probe
         *     and dependencies count at once, the others from the next start on.
         */
        AgentPatch: {
            /** @default null */
            cwd?: components["schemas"]["Cwd"] | null;
            /** @default null */
            dependsOn?: components["schemas"]["Dependencies"] | null;
            /** @default null */
            env?: components["schemas"]["Env"] | null;
            /** @default null */
            limits?: components["schemas"]["ResourceLimits"] | null;
            /** @default null */
            name?: components["schemas"]["Name"] | null;
            /** @default null */
            probe?: components["schemas"]["Probe"] | null;
            /** @default null */
            restart?: components["schemas"]["RestartPolicy"] | null;
            /** @default null */
            stop?: components["schemas"]["StopPlan"] | null;
            /** @default null */
            successCodes?: components["schemas"]["SuccessCodes"] | null;
        };
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
            /** @description Bytes read from disks since its processes were started, of those that still live. */
            diskRead: number;
            /** @description Bytes written to disks, likewise. */
            diskWritten: number;
            /**
             * @description The last line that it wrote which is not empty: at most 200 characters, without control
             *     sequences. It is a stranger's text.
             */
            lastLine?: string;
            /** @description Resident memory, in bytes. What its processes share is counted for each. */
            memory: number;
            /** @description Its processes. */
            processes: number;
        };
        /** @description A machine's subdomain. */
        Alias: string;
        /** @description Whole numbers. */
        Amounts: {
            /** @description The greatest that was measured in each step. */
            max: number[];
            /** @description The mean of each step. */
            mean: number[];
        };
        /** @description The program and its arguments, without NUL. */
        Argv: string[];
        /**
         * @description What carries bytes to a relay.
         * @enum {string}
         */
        Carrier: "quic" | "websocket" | "other";
        /** @description What changed. */
        ChangeKind: {
            /** @description What it did before, if that is known. */
            from?: components["schemas"]["AgentState"];
            /** @enum {string} */
            kind: "state";
            /** @description What it does since. */
            to: components["schemas"]["AgentState"];
        } | {
            /** @enum {string} */
            kind: "edited";
            /** @description The members that were changed. */
            members: string[];
        } | {
            /** @enum {string} */
            kind: "removed";
        } | {
            /** @enum {string} */
            kind: "other";
        };
        /**
         * @description A command, as `super::SpawnRequest` and `super::ExecRequest` carry it. The operating system
         *     may still refuse one that is within these bounds.
         */
        Command: {
            /** @description The program and its arguments. */
            argv: components["schemas"]["Argv"];
            cwd?: components["schemas"]["Cwd"] | null;
            /** @description What is added to the node's environment. */
            env?: components["schemas"]["Env"];
            /**
             * @description Whether the first item of `argv` is a script for the user's shell instead of a program, and
             *     the others the script's `$1`, `$2` and so on. Nothing is ever joined or quoted.
             */
            shell?: boolean;
        };
        /** @description A place in a list, from `next` of its last page. */
        Cursor: string;
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
            /**
             * @description Six words that stand for the keys of this pairing. The device has the same ones, unless
             *     somebody sat in between when it was paired.
             */
            safetyNumber?: string;
        };
        /** @description Names a device on one machine. */
        DeviceId: string;
        /** @description Environment variables by name. A value may refer to a secret, `@secret:NAME`. */
        Env: {
            [key: string]: string;
        };
        /**
         * @description Asks how an environment differs from what was added to an agent's own, which is never read back:
         *     `POST /v1/agents/{id}/env/compare`.
         */
        EnvComparison: {
            /** @description The environment. */
            env: components["schemas"]["Env"];
        };
        /** @description The names by which an environment differs from an agent's. */
        EnvDifference: {
            /** @description What the agent does not have. */
            added: string[];
            /** @description What has another value. */
            changed: string[];
            /** @description What only the agent has. */
            removed: string[];
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
        /** @description The place of an event among all of this machine. */
        EventId: number;
        /** @description What happened. */
        EventKind: {
            /** @description The agent. */
            agentId: components["schemas"]["AgentId"];
            /** @description How its process ended, if this says so. */
            exit?: components["schemas"]["ExitStatus"];
            /** @enum {string} */
            kind: "agent-changed";
            /** @description What people call it. */
            name?: components["schemas"]["Name"];
            /** @description Why it is in this state, for people. It may quote the agent: show it as text. */
            reason?: string;
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
            /** @description When the node dials next, in milliseconds from now. */
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
            /** @description After how many milliseconds it is stopped, from 1; never if left out. */
            timeoutMs?: number | null;
        };
        /** @description How a process ended. */
        ExitStatus: {
            code: number;
        } | {
            signal: number;
        };
        /** @description How the keeping of history is doing, as `GET /v1/status` tells it. */
        HistoryStatus: {
            /** @description The size of its files, in bytes. */
            bytes: number;
            /** @description What was not noted since the node started, because nothing could be written for too long. */
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
            /** @description How many more devices it may pair. */
            usesLeft: number;
        };
        /** @description Names an invitation on its machine. */
        InvitationId: number;
        /** @description A link that pairs whoever has it, shown this once. At most 4096 bytes of UTF-8. */
        InvitationLink: string;
        /** @description Asks for an invitation: `POST /v1/invitations`. */
        InvitationRequest: {
            /** @description What each device will be allowed to do. */
            role: components["schemas"]["Role"];
            /** @description How many devices it may pair: 1 to 1,000. */
            uses: number;
            /** @description For how many milliseconds it works: 1 second to 30 days. */
            validForMs: number;
        };
        /**
         * @description One life of an agent's process: an entry of `GET /v1/history`. It stays when the agent is
         *     removed, for as long as the machine keeps its history.
         */
        Life: {
            /** @description The agent. */
            agentId: components["schemas"]["AgentId"];
            /**
             * @description The program and its arguments: 4 KiB of them at most, so an item may be cut and items may be
             *     missing. Values of its environment are replaced by `‹NAME›`.
             */
            argv: string[];
            /** @description Whether `argv` is not all of it. */
            argvCut?: boolean;
            /** @description Who had it started, if that was noted. */
            by?: components["schemas"]["Actor"];
            /** @description Where it ran. */
            cwd?: string;
            /** @description How long it lived, in milliseconds; 0 if the clock was set back meanwhile. */
            durationMs?: number;
            /** @description When it ended. For one that was lost, when that was noticed. */
            endedAt?: components["schemas"]["Timestamp"];
            /**
             * @description What was added to its environment: names, and of references to secrets `NAME=@secret:NAME`.
             *     Values are never kept.
             */
            env?: string[];
            /** @description This life of its process. */
            epoch: components["schemas"]["Epoch"];
            /** @description How the process ended, if somebody saw it. */
            exit?: components["schemas"]["ExitStatus"];
            /** @description The last lines that it wrote, without control sequences. They are a stranger's text. */
            lastLines?: string[];
            /** @description What people called it. */
            name?: components["schemas"]["Name"];
            /** @description What this life came to, once it has ended. */
            outcome?: components["schemas"]["Outcome"];
            /** @description Why it is or ended so, for people. */
            reason?: string;
            /** @description Whether the first item of `argv` was a script for the shell. */
            shell: boolean;
            /** @description What had the agent started. */
            source: components["schemas"]["AgentSource"];
            /** @description When the process was started. */
            startedAt: components["schemas"]["Timestamp"];
            /** @description What the agent did last in this life. */
            state: components["schemas"]["AgentState"];
        };
        /** @description Something that changed in one life. */
        LifeChange: components["schemas"]["ChangeKind"] & {
            /** @description When. */
            at: components["schemas"]["Timestamp"];
            /** @description Who had it done, if somebody had and it was noted. */
            by?: components["schemas"]["Actor"];
            /** @description Why, for people. */
            reason?: string;
        };
        /** @description One life with all that changed in it: `GET /v1/history/{agentId}/{epoch}`. */
        LifeRecord: components["schemas"]["Life"] & {
            /** @description What changed, oldest first; the newest 1,000. */
            changes: components["schemas"]["LifeChange"][];
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
            /** @description The round trip to the relay in microseconds, while it is up and once it was measured. */
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
            /** @description Processor cores. */
            cores: number;
            /**
             * Format: double
             * @description Processor time since the last look, in percent of one core: 200 is two cores at work.
             */
            cpuPercent: number;
            /** @description All memory, in bytes. */
            memoryTotal: number;
            /** @description Memory in use, in bytes: what is neither free nor could be freed at once. */
            memoryUsed: number;
            /** @description Processes. */
            processes: number;
        };
        /**
         * @description What one agent or the machine used: `GET /v1/agents/{id}/metrics` and `GET /v1/machine/metrics`.
         *     All lists are of one length: the values of one place belong to the step that begins at that place
         *     of `at`. Steps of which nothing is known are left out.
         */
        Metrics: {
            /** @description The agent; the machine if absent. */
            agentId?: components["schemas"]["AgentId"];
            /** @description When each step begins. */
            at: components["schemas"]["Timestamp"][];
            /** @description Processor time, in percent of one core. */
            cpuPercent: components["schemas"]["Percents"];
            /** @description Bytes read from disks a second. Absent for the machine. */
            diskReadRate?: components["schemas"]["Amounts"];
            /** @description Bytes written to disks a second. Absent for the machine. */
            diskWrittenRate?: components["schemas"]["Amounts"];
            /** @description The beginning of the time that was asked for. */
            from: components["schemas"]["Timestamp"];
            /** @description Memory in use, in bytes. Of an agent, what its processes share is counted for each. */
            memory: components["schemas"]["Amounts"];
            /** @description Processes. */
            processes: components["schemas"]["Amounts"];
            /** @description What one place stands for, in milliseconds. */
            stepMs: number;
            /** @description Its end, not included. */
            to: components["schemas"]["Timestamp"];
        };
        /** @description A pairing code, just minted. */
        MintedCode: {
            /**
             * @description Where it is to be typed, one for each relay that the machine has joined: `gantline add` takes
             *     an address behind the code.
             */
            addresses?: string[];
            /** @description What to type on the device. */
            code: components["schemas"]["PairingCode"];
            /** @description When the code stops working, unless it is burnt before. */
            expiresAt: components["schemas"]["Timestamp"];
            /** @description The same for browsers: the machine's own page at each of these relays. */
            pages?: string[];
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
        /** @description Bytes of output since the epoch began. */
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
         * @description What one life of a process came to.
         * @enum {string}
         */
        Outcome: "success" | "failure" | "stopped" | "lost";
        /**
         * @description A part of a list, in the order of the list. Without `next` it is the last one; a page may have
         *     fewer items than were asked for, or none, and still not be the last.
         */
        Page_Life: {
            /** @description The items. */
            items: {
                /** @description The agent. */
                agentId: components["schemas"]["AgentId"];
                /**
                 * @description The program and its arguments: 4 KiB of them at most, so an item may be cut and items may be
                 *     missing. Values of its environment are replaced by `‹NAME›`.
                 */
                argv: string[];
                /** @description Whether `argv` is not all of it. */
                argvCut?: boolean;
                /** @description Who had it started, if that was noted. */
                by?: components["schemas"]["Actor"];
                /** @description Where it ran. */
                cwd?: string;
                /** @description How long it lived, in milliseconds; 0 if the clock was set back meanwhile. */
                durationMs?: number;
                /** @description When it ended. For one that was lost, when that was noticed. */
                endedAt?: components["schemas"]["Timestamp"];
                /**
                 * @description What was added to its environment: names, and of references to secrets `NAME=@secret:NAME`.
                 *     Values are never kept.
                 */
                env?: string[];
                /** @description This life of its process. */
                epoch: components["schemas"]["Epoch"];
                /** @description How the process ended, if somebody saw it. */
                exit?: components["schemas"]["ExitStatus"];
                /** @description The last lines that it wrote, without control sequences. They are a stranger's text. */
                lastLines?: string[];
                /** @description What people called it. */
                name?: components["schemas"]["Name"];
                /** @description What this life came to, once it has ended. */
                outcome?: components["schemas"]["Outcome"];
                /** @description Why it is or ended so, for people. */
                reason?: string;
                /** @description Whether the first item of `argv` was a script for the shell. */
                shell: boolean;
                /** @description What had the agent started. */
                source: components["schemas"]["AgentSource"];
                /** @description When the process was started. */
                startedAt: components["schemas"]["Timestamp"];
                /** @description What the agent did last in this life. */
                state: components["schemas"]["AgentState"];
            }[];
            /** @description Where the next page begins: the `cursor` to ask with. Absent at the end of the list. */
            next?: components["schemas"]["Cursor"];
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
        /** @description Shares, in percent. */
        Percents: {
            /** @description The greatest that was measured in each step. */
            max: number[];
            /** @description The mean of each step. */
            mean: number[];
        };
        /** @description A check that is made again and again while an agent's process lives. */
        Probe: components["schemas"]["ProbeCheck"] & components["schemas"]["ProbePace"];
        /** @description What is checked. */
        ProbeCheck: {
            /** @enum {string} */
            kind: "tcp";
            /** @description The port. */
            port: number;
        } | {
            /** @enum {string} */
            kind: "http";
            /** @description Path and query, beginning with `/`; `/` if left out. */
            path?: components["schemas"]["ProbePath"];
            /** @description The port. */
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
             * @description Failures in a row until it is unhealthy, 1 to 100; 3 if left out.
             * @default 3
             */
            failures?: number;
            /**
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
             * @description How long failures do not count after a start, at most 3,600,000 ms; 0 if left out. The first
             *     success ends it.
             * @default 0
             */
            startPeriodMs?: number;
            /**
             * @description Successes in a row until it is healthy, 1 to 100; 1 if left out.
             * @default 1
             */
            successes?: number;
            /**
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
            /** @description The status code, 400 to 599. */
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
            /** @description The round-trip time in microseconds, once measured; not of the gateway's own machine. */
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
            /** @description Processor time in percent of one core, 1 to 102,400. */
            cpuPercent?: number;
            /** @description Memory in MiB, 1 to 16,777,216. */
            memoryMb?: number;
            /** @description Processes and threads, 1 to 4,194,304. */
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
            /** @description Whether a definition file asks for it: one that no longer has it may take it away again. */
            applied?: boolean;
            /** @description How much of its output is kept in files beyond that, in MiB; 128 if left out. */
            logMb?: number | null;
            name?: components["schemas"]["Name"] | null;
            /** @description How much of its output is kept in memory, in KiB; 4,096 if left out. */
            scrollbackKb?: number | null;
            size?: components["schemas"]["TerminalSize"] | null;
        };
        /** @description How a node is doing. */
        Status: {
            /** @description How the keeping of history is doing. */
            history?: components["schemas"]["HistoryStatus"];
            /** @description Its links, one for each relay. */
            links: components["schemas"]["LinkStatus"][];
            /** @description Where its own page and API are on this machine, as `address:port`, if they are open. */
            loopback?: string;
            /** @description For how long it has run, in milliseconds. */
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
         * @description How an agent is looked after, as `super::SpawnRequest` and `super::Agent` carry it beside
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
        /** @description Milliseconds since 1970-01-01T00:00:00Z. */
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
        /**
         * @description The way by which somebody came.
         * @enum {string}
         */
        Way: "unix" | "loopback" | "lan" | "relay" | "session";
        /** @description Who somebody is. */
        Who: {
            /** @enum {string} */
            who: "local-user";
        } | {
            /** @description The device. */
            deviceId: components["schemas"]["DeviceId"];
            /** @description What people called it then. */
            name?: components["schemas"]["Name"];
            /** @enum {string} */
            who: "device";
        } | {
            /** @enum {string} */
            who: "node";
        } | {
            /** @enum {string} */
            who: "other";
        };
    };
    responses: {
        /** @description The request is malformed or out of bounds; the detail says which bound. */
        400: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description It comes from nobody known. On 127.0.0.1: without the token of this start of the node. */
        401: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The role does not allow it. On 127.0.0.1 also: by another name or from another page. */
        403: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description There is no such thing. */
        404: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description Its state does not allow it now; or the request with this `Idempotency-Key` still runs, or was carried out and its answer is not kept. */
        409: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The body is longer than this route takes. */
        413: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The body is not of the type `application/json`. */
        415: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description This `Idempotency-Key` was used with another request. */
        422: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description Too many wrong tokens, or too many requests with an `Idempotency-Key` at a time. */
        429: {
            headers: {
                /** @description Seconds to wait. */
                "Retry-After"?: number;
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description An error inside the node; its log says more. */
        500: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description There is no way to the machine. */
        502: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description Something that the node needs is away for now, or the node is stopping. */
        503: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The machine did not answer in time; whether it acted is not known. */
        504: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
    };
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    read_exposition: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OpenMetrics 1.0 text. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/openmetrics-text": string;
                };
            };
            401: components["responses"]["401"];
            403: components["responses"]["403"];
            413: components["responses"]["413"];
            429: components["responses"]["429"];
            500: components["responses"]["500"];
        };
    };
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
            401: components["responses"]["401"];
            403: components["responses"]["403"];
            413: components["responses"]["413"];
            429: components["responses"]["429"];
            500: components["responses"]["500"];
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
            400: components["responses"]["400"];
            401: components["responses"]["401"];
            403: components["responses"]["403"];
            409: components["responses"]["409"];
            413: components["responses"]["413"];
            415: components["responses"]["415"];
            422: components["responses"]["422"];
            429: components["responses"]["429"];
            500: components["responses"]["500"];
            503: components["responses"]["503"];
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
            401: components["responses"]["401"];
            403: components["responses"]["403"];
            404: components["responses"]["404"];
            413: components["responses"]["413"];
            429: components["responses"]["429"];
            500: components["responses"]["500"];
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
            400: components["responses"]["400"];
            401: components["responses"]["401"];
            403: components["responses"]["403"];
            404: components["responses"]["404"];
            409: components["responses"]["409"];
            413: components["responses"]["413"];
            422: components["responses"]["422"];
            429: components["responses"]["429"];
            500: components["responses"]["500"];
            503: components["responses"]["503"];
        };
    };
    edit_agent: {
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
                "application/json": components["schemas"]["AgentPatch"];
            };
        };
        responses: {
            /** @description The agent as it is now. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Agent"];
                };
            };
            400: components["responses"]["400"];
            401: components["responses"]["401"];
            403: components["responses"]["403"];
            404: components["responses"]["404"];
            409: components["responses"]["409"];
            413: components["responses"]["413"];
            415: components["responses"]["415"];
            422: components["responses"]["422"];
            429: components["responses"]["429"];
            500: components["responses"]["500"];
            503: components["responses"]["503"];
        };
    };
    compare_env: {
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
                /**
                 * @example {
                 *       "env": {
                 *         "CI": "1"
                 *       }
                 *     }
                 */
                "application/json": components["schemas"]["EnvComparison"];
            };
        };
        responses: {
            /** @description The difference. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["EnvDifference"];
                };
            };
            400: components["responses"]["400"];
            401: components["responses"]["401"];
            403: components["responses"]["403"];
            404: components["responses"]["404"];
            409: components["responses"]["409"];
            413: components["responses"]["413"];
            415: components["responses"]["415"];
            422: components["responses"]["422"];
            429: components["responses"]["429"];
            500: components["responses"]["500"];
            503: components["responses"]["503"];
        };
    };
    chart_agent: {
        parameters: {
            query?: {
                /** @description Its beginning; an hour before its end if left out. */
                from?: components["schemas"]["Timestamp"];
                /**
                 * @description What one place of the answer stands for, in milliseconds: 1,000 at least, and so much that
                 *     there are 2,000 places at most. A step that gives some 400 if left out.
                 */
                stepMs?: number;
                /** @description Its end, not included; now if left out. */
                to?: components["schemas"]["Timestamp"];
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
            /** @description What it used. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Metrics"];
                };
            };
            400: components["responses"]["400"];
            401: components["responses"]["401"];
            403: components["responses"]["403"];
            404: components["responses"]["404"];
            413: components["responses"]["413"];
            429: components["responses"]["429"];
            500: components["responses"]["500"];
        };
    };
    read_output: {
        parameters: {
            query?: {
                /**
                 * @description The life of the process whose output is wanted, of those that are kept; the present or last
                 *     one if left out. Needed with `from` and `to`.
                 */
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
            400: components["responses"]["400"];
            401: components["responses"]["401"];
            403: components["responses"]["403"];
            404: components["responses"]["404"];
            /** @description The agent's process is another one now; what was asked for is gone. */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            413: components["responses"]["413"];
            429: components["responses"]["429"];
            500: components["responses"]["500"];
            /** @description What holds the output can't be reached now. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    restart_agent: {
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
            /** @description It is told to. */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Agent"];
                };
            };
            400: components["responses"]["400"];
            401: components["responses"]["401"];
            403: components["responses"]["403"];
            404: components["responses"]["404"];
            409: components["responses"]["409"];
            413: components["responses"]["413"];
            422: components["responses"]["422"];
            429: components["responses"]["429"];
            500: components["responses"]["500"];
            503: components["responses"]["503"];
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
                /**
                 * @example {
                 *       "signal": "HUP"
                 *     }
                 */
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
            400: components["responses"]["400"];
            401: components["responses"]["401"];
            403: components["responses"]["403"];
            404: components["responses"]["404"];
            409: components["responses"]["409"];
            413: components["responses"]["413"];
            415: components["responses"]["415"];
            422: components["responses"]["422"];
            429: components["responses"]["429"];
            500: components["responses"]["500"];
            503: components["responses"]["503"];
        };
    };
    start_agent: {
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
            /** @description The agent as it is now. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Agent"];
                };
            };
            400: components["responses"]["400"];
            401: components["responses"]["401"];
            403: components["responses"]["403"];
            404: components["responses"]["404"];
            409: components["responses"]["409"];
            413: components["responses"]["413"];
            422: components["responses"]["422"];
            429: components["responses"]["429"];
            500: components["responses"]["500"];
            503: components["responses"]["503"];
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
            400: components["responses"]["400"];
            401: components["responses"]["401"];
            403: components["responses"]["403"];
            404: components["responses"]["404"];
            409: components["responses"]["409"];
            413: components["responses"]["413"];
            422: components["responses"]["422"];
            429: components["responses"]["429"];
            500: components["responses"]["500"];
            503: components["responses"]["503"];
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
            /** @description It asks for a WebSocket, and not as RFC 6455 has it. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            401: components["responses"]["401"];
            403: components["responses"]["403"];
            404: components["responses"]["404"];
            /** @description The agent has no terminal: it was started by `exec`. */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            429: components["responses"]["429"];
            500: components["responses"]["500"];
            /** @description What holds the terminal can't be reached now. */
            503: {
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
            401: components["responses"]["401"];
            403: components["responses"]["403"];
            413: components["responses"]["413"];
            429: components["responses"]["429"];
            500: components["responses"]["500"];
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
            400: components["responses"]["400"];
            401: components["responses"]["401"];
            403: components["responses"]["403"];
            404: components["responses"]["404"];
            409: components["responses"]["409"];
            413: components["responses"]["413"];
            422: components["responses"]["422"];
            429: components["responses"]["429"];
            500: components["responses"]["500"];
            503: components["responses"]["503"];
        };
    };
    events: {
        parameters: {
            query?: never;
            header?: {
                /** @description The last event that was heard. */
                "Last-Event-ID"?: components["schemas"]["EventId"];
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
                    "text/event-stream": {
                        data: string;
                        event?: string;
                        id?: string;
                    };
                };
            };
            400: components["responses"]["400"];
            401: components["responses"]["401"];
            403: components["responses"]["403"];
            413: components["responses"]["413"];
            429: components["responses"]["429"];
            500: components["responses"]["500"];
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
                /**
                 * @example {
                 *       "argv": [
                 *         "uname",
                 *         "-r"
                 *       ],
                 *       "timeoutMs": 10000
                 *     }
                 */
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
                    "application/x-ndjson": components["schemas"]["ExecEvent"][];
                };
            };
            400: components["responses"]["400"];
            401: components["responses"]["401"];
            403: components["responses"]["403"];
            409: components["responses"]["409"];
            413: components["responses"]["413"];
            415: components["responses"]["415"];
            422: components["responses"]["422"];
            429: components["responses"]["429"];
            500: components["responses"]["500"];
            503: components["responses"]["503"];
        };
    };
    list_history: {
        parameters: {
            query?: {
                /** @description Of this agent. */
                agent?: components["schemas"]["AgentId"];
                /**
                 * @description Where the page begins: `next` of the page before. The other parameters have to be the same
                 *     as there.
                 */
                cursor?: components["schemas"]["Cursor"];
                /** @description That ended with this code. */
                exit?: number;
                /** @description The most items that the page may have; 100 if left out. */
                limit?: number;
                /** @description Of agents of just this name. */
                name?: string;
                /**
                 * @description That came to one of these, separated by commas: `success`, `failure`, `stopped`, `lost`.
                 * @example failure,lost
                 */
                outcome?: string;
                /**
                 * @description That have all these words, or words that begin so, in name, id, arguments, reason or last
                 *     lines. At most 1,000 bytes; no character has a meaning of its own.
                 */
                q?: string;
                /** @description That ended by this signal, numbered as on the machine. */
                signal?: number;
                /** @description That had not ended by then. */
                since?: components["schemas"]["Timestamp"];
                /** @description That were started by this. */
                source?: components["schemas"]["AgentSource"];
                /** @description That are, or ended, in this state. */
                state?: components["schemas"]["AgentState"];
                /** @description That had begun by then. */
                until?: components["schemas"]["Timestamp"];
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of lives. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Page_Life"];
                };
            };
            400: components["responses"]["400"];
            401: components["responses"]["401"];
            403: components["responses"]["403"];
            413: components["responses"]["413"];
            429: components["responses"]["429"];
            500: components["responses"]["500"];
        };
    };
    find_life: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The agent. */
                agentId: components["schemas"]["AgentId"];
                /** @description The life of its process. */
                epoch: components["schemas"]["Epoch"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The life. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["LifeRecord"];
                };
            };
            401: components["responses"]["401"];
            403: components["responses"]["403"];
            404: components["responses"]["404"];
            413: components["responses"]["413"];
            429: components["responses"]["429"];
            500: components["responses"]["500"];
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
            401: components["responses"]["401"];
            403: components["responses"]["403"];
            413: components["responses"]["413"];
            429: components["responses"]["429"];
            500: components["responses"]["500"];
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
                /**
                 * @example {
                 *       "role": "observer",
                 *       "uses": 1,
                 *       "validForMs": 86400000
                 *     }
                 */
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
            400: components["responses"]["400"];
            401: components["responses"]["401"];
            403: components["responses"]["403"];
            409: components["responses"]["409"];
            413: components["responses"]["413"];
            415: components["responses"]["415"];
            422: components["responses"]["422"];
            429: components["responses"]["429"];
            500: components["responses"]["500"];
            503: components["responses"]["503"];
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
            400: components["responses"]["400"];
            401: components["responses"]["401"];
            403: components["responses"]["403"];
            404: components["responses"]["404"];
            409: components["responses"]["409"];
            413: components["responses"]["413"];
            422: components["responses"]["422"];
            429: components["responses"]["429"];
            500: components["responses"]["500"];
            503: components["responses"]["503"];
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
            401: components["responses"]["401"];
            403: components["responses"]["403"];
            413: components["responses"]["413"];
            429: components["responses"]["429"];
            500: components["responses"]["500"];
        };
    };
    chart_machine: {
        parameters: {
            query?: {
                /** @description Its beginning; an hour before its end if left out. */
                from?: components["schemas"]["Timestamp"];
                /**
                 * @description What one place of the answer stands for, in milliseconds: 1,000 at least, and so much that
                 *     there are 2,000 places at most. A step that gives some 400 if left out.
                 */
                stepMs?: number;
                /** @description Its end, not included; now if left out. */
                to?: components["schemas"]["Timestamp"];
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description What it used. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Metrics"];
                };
            };
            400: components["responses"]["400"];
            401: components["responses"]["401"];
            403: components["responses"]["403"];
            413: components["responses"]["413"];
            429: components["responses"]["429"];
            500: components["responses"]["500"];
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
            401: components["responses"]["401"];
            403: components["responses"]["403"];
            413: components["responses"]["413"];
            429: components["responses"]["429"];
            500: components["responses"]["500"];
            502: components["responses"]["502"];
            504: components["responses"]["504"];
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
            400: components["responses"]["400"];
            401: components["responses"]["401"];
            403: components["responses"]["403"];
            409: components["responses"]["409"];
            413: components["responses"]["413"];
            415: components["responses"]["415"];
            422: components["responses"]["422"];
            429: components["responses"]["429"];
            500: components["responses"]["500"];
            502: components["responses"]["502"];
            503: components["responses"]["503"];
            504: components["responses"]["504"];
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
            401: components["responses"]["401"];
            403: components["responses"]["403"];
            404: components["responses"]["404"];
            413: components["responses"]["413"];
            429: components["responses"]["429"];
            500: components["responses"]["500"];
            502: components["responses"]["502"];
            504: components["responses"]["504"];
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
            400: components["responses"]["400"];
            401: components["responses"]["401"];
            403: components["responses"]["403"];
            404: components["responses"]["404"];
            409: components["responses"]["409"];
            413: components["responses"]["413"];
            422: components["responses"]["422"];
            429: components["responses"]["429"];
            500: components["responses"]["500"];
            502: components["responses"]["502"];
            503: components["responses"]["503"];
            504: components["responses"]["504"];
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
            400: components["responses"]["400"];
            401: components["responses"]["401"];
            403: components["responses"]["403"];
            404: components["responses"]["404"];
            409: components["responses"]["409"];
            413: components["responses"]["413"];
            415: components["responses"]["415"];
            422: components["responses"]["422"];
            429: components["responses"]["429"];
            500: components["responses"]["500"];
            502: components["responses"]["502"];
            503: components["responses"]["503"];
            504: components["responses"]["504"];
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
            401: components["responses"]["401"];
            403: components["responses"]["403"];
            404: components["responses"]["404"];
            429: components["responses"]["429"];
            500: components["responses"]["500"];
            502: components["responses"]["502"];
            504: components["responses"]["504"];
            /** @description Whatever the other machine answers. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
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
            401: components["responses"]["401"];
            403: components["responses"]["403"];
            404: components["responses"]["404"];
            429: components["responses"]["429"];
            500: components["responses"]["500"];
            502: components["responses"]["502"];
            504: components["responses"]["504"];
            /** @description Whatever the other machine answers. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
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
            401: components["responses"]["401"];
            403: components["responses"]["403"];
            404: components["responses"]["404"];
            429: components["responses"]["429"];
            500: components["responses"]["500"];
            502: components["responses"]["502"];
            504: components["responses"]["504"];
            /** @description Whatever the other machine answers. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
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
            401: components["responses"]["401"];
            403: components["responses"]["403"];
            404: components["responses"]["404"];
            429: components["responses"]["429"];
            500: components["responses"]["500"];
            502: components["responses"]["502"];
            504: components["responses"]["504"];
            /** @description Whatever the other machine answers. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
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
            401: components["responses"]["401"];
            403: components["responses"]["403"];
            404: components["responses"]["404"];
            429: components["responses"]["429"];
            500: components["responses"]["500"];
            502: components["responses"]["502"];
            504: components["responses"]["504"];
            /** @description Whatever the other machine answers. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
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
                    "text/event-stream": {
                        data: string;
                        event?: string;
                        id?: string;
                    };
                };
            };
            401: components["responses"]["401"];
            403: components["responses"]["403"];
            413: components["responses"]["413"];
            429: components["responses"]["429"];
            500: components["responses"]["500"];
            502: components["responses"]["502"];
            504: components["responses"]["504"];
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
            400: components["responses"]["400"];
            401: components["responses"]["401"];
            403: components["responses"]["403"];
            409: components["responses"]["409"];
            413: components["responses"]["413"];
            422: components["responses"]["422"];
            429: components["responses"]["429"];
            500: components["responses"]["500"];
            503: components["responses"]["503"];
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
            401: components["responses"]["401"];
            403: components["responses"]["403"];
            413: components["responses"]["413"];
            429: components["responses"]["429"];
            500: components["responses"]["500"];
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
                /**
                 * @example {
                 *       "role": "operator"
                 *     }
                 */
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
            400: components["responses"]["400"];
            401: components["responses"]["401"];
            403: components["responses"]["403"];
            409: components["responses"]["409"];
            413: components["responses"]["413"];
            415: components["responses"]["415"];
            422: components["responses"]["422"];
            429: components["responses"]["429"];
            500: components["responses"]["500"];
            503: components["responses"]["503"];
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
            401: components["responses"]["401"];
            403: components["responses"]["403"];
            413: components["responses"]["413"];
            429: components["responses"]["429"];
            500: components["responses"]["500"];
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
                    "text/event-stream": {
                        data: string;
                        event?: string;
                        id?: string;
                    };
                };
            };
            401: components["responses"]["401"];
            403: components["responses"]["403"];
            413: components["responses"]["413"];
            429: components["responses"]["429"];
            500: components["responses"]["500"];
        };
    };
}
